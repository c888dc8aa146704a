/** The sections of a module: where they lie, and entering them. */
import { Cursor } from './bytes.js';
import { PREAMBLE_BYTES } from './sniff.js';

/** Section numbers of the binary format. */
export const SectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** The order in which sections other than custom ones stand, each at most once. */
const SECTION_ORDER: readonly number[] = [
  SectionId.type,
  SectionId.import,
  SectionId.function,
  SectionId.table,
  SectionId.memory,
  SectionId.tag,
  SectionId.global,
  SectionId.export,
  SectionId.start,
  SectionId.element,
  SectionId.dataCount,
  SectionId.code,
  SectionId.data,
];

/** Debug builds have some dozens. */
const CUSTOM_SECTIONS_MAX = 10_000;

/** Where a section lies: `header` is its id byte, `start` to `end` its content. */
export interface Section {
  readonly id: number;
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

/** The sections in file order, and the names of the custom ones. */
export interface SectionList {
  readonly sections: readonly Section[];
  readonly customNames: readonly string[];
}

/** Lists the sections, checking their order and that they fill the file. */
export function readSections(cursor: Cursor): SectionList {
  const sections: Section[] = [];
  const customNames: string[] = [];
  const fileEnd = cursor.bytes.length;
  let place = -1;
  cursor.at = PREAMBLE_BYTES;
  cursor.end = fileEnd;
  while (cursor.at < fileEnd) {
    const header = cursor.at;
    const id = cursor.byte();
    const size = cursor.u32();
    const start = cursor.at;
    cursor.skip(size);
    const end = cursor.at;
    if (id === SectionId.custom) {
      customNames.push(readCustomName(cursor, start, end));
      if (customNames.length > CUSTOM_SECTIONS_MAX) {
        cursor.refuse(`it has more than ${CUSTOM_SECTIONS_MAX} custom sections; strip it`);
      }
      continue;
    }
    place = nextPlace(cursor, id, place, header);
    sections.push({ id, header, start, end });
  }
  return { sections, customNames };
}

function readCustomName(cursor: Cursor, start: number, end: number): string {
  cursor.at = start;
  cursor.end = end;
  const name = cursor.text();
  cursor.at = end;
  cursor.end = cursor.bytes.length;
  return name;
}

function nextPlace(cursor: Cursor, id: number, place: number, header: number): number {
  const next = SECTION_ORDER.indexOf(id);
  if (next < 0) {
    cursor.refuse(`it has a section of unknown kind ${id}; build it without experimental features`);
  }
  if (next > place) return next;
  cursor.at = header;
  return cursor.malformed(`section ${id} stands twice or in the wrong place`);
}

/** Runs `read` inside section `id`, which it must read to its end; `absent` if there is none. */
export function inSection<T>(
  cursor: Cursor,
  sections: readonly Section[],
  id: number,
  absent: T,
  read: () => T,
): T {
  const section = sections.find((candidate) => candidate.id === id);
  if (section === undefined) return absent;
  cursor.at = section.start;
  cursor.end = section.end;
  const value = read();
  if (cursor.at !== section.end) cursor.malformed(`section ${id} is longer than what is in it`);
  cursor.end = cursor.bytes.length;
  return value;
}

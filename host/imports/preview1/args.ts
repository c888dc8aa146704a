/** `wasi_snapshot_preview1` args_* and environ_*: two lists of NUL-terminated strings. */
import { Errno } from '../../errno.js';
import type { Sandbox } from '../../sandbox.js';
import { type ImportRow, imported } from '../call.js';

/** One list as it lies in guest memory: all strings in a row, and where each begins. */
interface StringList {
  readonly bytes: Uint8Array;
  readonly offsets: readonly number[];
}

function stringList(strings: readonly string[]): StringList {
  const encoder = new TextEncoder();
  const parts = strings.map((text) => encoder.encode(`${text}\0`));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  const offsets: number[] = [];
  let at = 0;
  for (const part of parts) {
    offsets.push(at);
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, offsets };
}

function writeList(sandbox: Sandbox, list: StringList, pointers: number, buffer: number): number {
  const { memory } = sandbox;
  const pointersAt = pointers >>> 0;
  const bufferAt = buffer >>> 0;
  if (!memory.fits(pointersAt, 4 * list.offsets.length)) return Errno.FAULT;
  if (!memory.fits(bufferAt, list.bytes.length)) return Errno.FAULT;
  memory.bytes.set(list.bytes, bufferAt);
  list.offsets.forEach((offset, index) => {
    memory.view.setUint32(pointersAt + 4 * index, bufferAt + offset, true);
  });
  return Errno.SUCCESS;
}

function rows(prefix: string, strings: (sandbox: Sandbox) => readonly string[]): ImportRow[] {
  const get = imported(
    `${prefix}_get`,
    { [prefix]: 'ptr', [`${prefix}_buf`]: 'ptr' },
    (sandbox) => {
      const list = stringList(strings(sandbox));
      return (pointers: number, buffer: number) => writeList(sandbox, list, pointers, buffer);
    },
  );
  const sizesGet = imported(
    `${prefix}_sizes_get`,
    { 'result.count': '*u32', 'result.buf_len': '*u32' },
    (sandbox) => {
      const list = stringList(strings(sandbox));
      return (count: number, bufLen: number) => {
        const { memory } = sandbox;
        if (!memory.fits(count >>> 0, 4) || !memory.fits(bufLen >>> 0, 4)) return Errno.FAULT;
        memory.view.setUint32(count >>> 0, list.offsets.length, true);
        memory.view.setUint32(bufLen >>> 0, list.bytes.length, true);
        return Errno.SUCCESS;
      };
    },
  );
  return [get, sizesGet];
}

export const ARGS_ROWS: readonly ImportRow[] = [
  ...rows('args', (sandbox) => sandbox.grants.args),
  ...rows('environ', (sandbox) =>
    Object.entries(sandbox.grants.env).map(([name, value]) => `${name}=${value}`),
  ),
];

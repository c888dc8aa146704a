/**
 * A strict reader of Prometheus' text format 0.0.4: throws at whatever the format does not have.
 * It shares no code with the reader of `sandpoll top`, nor with the writer.
 */

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: ReadSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const VALUE = /^(?:[+-]Inf|NaN|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/;
const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary', 'untyped']);

function check(fine: boolean, what: string, line: string): void {
  if (!fine) throw new Error(`${what}: ${line}`);
}

/** Reads from `{` to behind `}`; character by character, as the format has it. */
function readLabels(line: string, from: number): { labels: Record<string, string>; end: number } {
  const labels: Record<string, string> = {};
  let at = from + 1;
  while (line[at] !== '}') {
    const equals = line.indexOf('="', at);
    const name = line.slice(at, equals);
    check(equals > at && LABEL_NAME.test(name), 'label name', line);
    check(!(name in labels), 'label twice', line);
    let text = '';
    for (at = equals + 2; line[at] !== '"'; at++) {
      check(at < line.length, 'open quote', line);
      if (line[at] !== '\\') text += line[at];
      else {
        const escaped = { '\\': '\\', n: '\n', '"': '"' }[line[++at]];
        check(escaped !== undefined, 'escape', line);
        text += escaped;
      }
    }
    labels[name] = text;
    at++;
    if (line[at] === ',') at++;
    else check(line[at] === '}', 'after a label', line);
  }
  return { labels, end: at + 1 };
}

function readSample(line: string): ReadSample {
  const nameEnd = line.search(/[ {]/);
  const name = line.slice(0, nameEnd);
  check(nameEnd > 0 && NAME.test(name), 'name', line);
  const { labels, end } =
    line[nameEnd] === '{' ? readLabels(line, nameEnd) : { labels: {}, end: nameEnd };
  check(line[end] === ' ', 'space before the value', line);
  const value = line.slice(end + 1);
  check(VALUE.test(value), 'value', line);
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

/** The labels but `le`, as one text. */
function series({ labels }: ReadSample): string {
  return JSON.stringify(Object.entries(labels).filter(([name]) => name !== 'le'));
}

function checkHistogram(name: string, samples: readonly ReadSample[]): void {
  for (const of of new Set(samples.map(series))) {
    const own = samples.filter((sample) => series(sample) === of);
    const buckets = own.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels['le'].replace('Inf', 'Infinity')));
    const rising = (list: readonly number[], strictly: boolean): boolean =>
      list.every(
        (value, at) => at === 0 || value > list[at - 1] || (!strictly && value === list[at - 1]),
      );
    check(rising(bounds, true) && bounds.at(-1) === Infinity, 'bounds', name);
    const counts = buckets.map(({ value }) => value);
    check(rising(counts, false), 'counts', name);
    const count = own.filter((sample) => sample.name === `${name}_count`);
    check(count.length === 1 && count[0].value === counts.at(-1), '_count', name);
    check(own.filter((sample) => sample.name === `${name}_sum`).length === 1, '_sum', name);
  }
}

/** Whether samples named `name` may stand in the family. */
function belongs(name: string, family: string, type: string): boolean {
  if (type !== 'histogram') return name === family;
  return ['_bucket', '_sum', '_count'].some((suffix) => name === `${family}${suffix}`);
}

/** The families of a text by name; each must begin with HELP and TYPE, and come once. */
export function readExposition(text: string): ReadonlyMap<string, ReadFamily> {
  check(text.endsWith('\n'), 'no newline at the end', text.slice(-80));
  const families = new Map<string, ReadFamily>();
  const seen = new Set<string>();
  const lines = text.slice(0, -1).split('\n');
  let current = '';
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    const [, helpName, help] = /^# HELP (\S+) (.+)$/.exec(line) ?? [];
    if (helpName !== undefined) {
      const [, typeName, type] = /^# TYPE (\S+) (\S+)$/.exec(lines[++at] ?? '') ?? [];
      check(typeName === helpName && TYPES.has(type), 'TYPE after HELP', line);
      check(NAME.test(helpName) && !families.has(helpName), 'family name', line);
      check((type === 'counter') === helpName.endsWith('_total'), '_total is for counters', line);
      current = helpName;
      families.set(current, { type, help, samples: [] });
      continue;
    }
    const sample = readSample(line);
    const family = families.get(current);
    check(family !== undefined && belongs(sample.name, current, family.type), 'family', line);
    const key = JSON.stringify([sample.name, sample.labels]);
    check(!seen.has(key), 'sample twice', line);
    seen.add(key);
    family?.samples.push(sample);
  }
  for (const [name, { type, samples }] of families) {
    check(samples.length > 0, 'no samples', name);
    if (type === 'histogram') checkHistogram(name, samples);
    check(type === 'gauge' || samples.every(({ value }) => value >= 0), 'below 0', name);
  }
  return families;
}

/** The value of the one sample of `name` that has these labels, if there is one. */
export function sampleOf(
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name.replace(/_(bucket|sum|count)$/, '')) ?? families.get(name);
  const found = (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  if (found.length > 1) throw new Error(`${found.length} samples of ${name}`);
  return found[0]?.value;
}

/** Prometheus' text format for metrics, version 0.0.4. */

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** What a histogram appends to its name: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
}

/** One metric: the samples of all guests under one name. */
export interface Family {
  /** Ends in its unit; a counter's in `_total`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

/**
 * The samples of one histogram. `counts` are those of the buckets, each by itself, the last one
 * without a bound.
 */
export function histogram(
  labels: Labels,
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
): Sample[] {
  let total = 0;
  const buckets = counts.map((count, index) => {
    total += count;
    const le = index < bounds.length ? valueText(bounds[index]) : '+Inf';
    return { labels: { ...labels, le }, value: total, suffix: '_bucket' };
  });
  return [
    ...buckets,
    { labels, value: sum, suffix: '_sum' },
    { labels, value: total, suffix: '_count' },
  ];
}

function valueText(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '"': '\\"' };

function escapeLabel(text: string): string {
  return text.replace(/[\\\n"]/g, (character) => ESCAPES[character]);
}

function escapeHelp(text: string): string {
  return text.replace(/[\\\n]/g, (character) => ESCAPES[character]);
}

function sampleLine(name: string, { labels, value, suffix = '' }: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  const shown = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
  return `${name}${suffix}${shown} ${valueText(value)}\n`;
}

/** The text of all families that have samples. */
export function formatExposition(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map((sample) => sampleLine(name, sample));
      return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
    })
    .join('');
}

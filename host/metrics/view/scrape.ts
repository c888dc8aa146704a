/** Reading Prometheus' text format, here and in the browser. */

export interface ScrapedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of one moment. */
export interface Scrape {
  readonly atMs: number;
  readonly samples: readonly ScrapedSample[];
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/s;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/gs;

function valueOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}

function unescape(text: string): string {
  return text.replace(/\\(.)/gs, (_whole, character: string) => {
    return character === 'n' ? '\n' : character;
  });
}

/** The samples of a text; lines that are none are left out. */
export function parseScrape(text: string, atMs: number): Scrape {
  const samples = text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key, quoted]) => [key, unescape(quoted)]);
    return [{ name, labels: Object.fromEntries(pairs), value: valueOf(value) }];
  });
  return { atMs, samples };
}

/** `sandpoll top`: a live table of guests in the terminal, from the metrics of a host. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { COLUMNS } from '../metrics/view/columns.js';
import { type Row, isReady, rowsOf } from '../metrics/view/rates.js';
import { type Scrape, parseScrape } from '../metrics/view/scrape.js';
import { usageError } from '../usage.js';
import { printable } from '../wasm/text.js';

export interface TopArguments {
  /** Where `/metrics` is. */
  readonly url: URL;
  readonly once: boolean;
}

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 5000;
/** What answers may be anything: no more of it is read. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

function metricsUrl(text: string): URL {
  const address = /^\d+$/.test(text) ? `127.0.0.1:${text}` : text;
  const full = /^https?:\/\//.test(address)
    ? address
    : `http://${address.replace(/^:/, '127.0.0.1:')}`;
  const url = URL.parse(full);
  if (url === null || url.username !== '' || url.hostname === '') {
    throw usageError(`${text}: not an address; write it as in sandpoll top 127.0.0.1:9090`);
  }
  return new URL('/metrics', url);
}

/** Reads the arguments after `top`; throws a `UsageError`. */
export function parseTopArguments(args: readonly string[]): TopArguments {
  let parsed;
  try {
    const options = { once: { type: 'boolean', default: false } } as const;
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/[.] /);
    throw usageError(`${sentence}; see sandpoll --help`);
  }
  const [address, ...more] = parsed.positionals;
  if (address === undefined || more.length > 0) {
    throw usageError('name one address: sandpoll top 127.0.0.1:9090');
  }
  return { url: metricsUrl(address), once: parsed.values.once };
}

/** The body of an answer, if it is not too long. */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) throw new Error('it answers without end');
  }
  return text;
}

async function fetchMetrics(url: URL): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, { signal, redirect: 'error' });
  if (response.status !== 200) throw new Error(`it answers ${response.status}`);
  return textOf(response);
}

/** Asks once; throws an error that says in a sentence what is wrong and what to do. */
async function scrape(url: URL): Promise<Scrape> {
  const fail = (why: string, code = 'ERR_SANDPOLL_TOP'): never => {
    throw Object.assign(new Error(`${url.host}: ${printable(why)}`), { code });
  };
  let text = '';
  try {
    text = await fetchMetrics(url);
  } catch (error) {
    const { cause, message } = error as Error;
    const { code } = (cause ?? {}) as NodeJS.ErrnoException;
    const hint = 'start the host with --metrics, and name the address it says';
    const why = code ?? (cause instanceof Error ? cause.message : message);
    return fail(code === 'ECONNREFUSED' ? `nothing answers; ${hint}` : why, code);
  }
  const found = parseScrape(text, performance.now());
  if (found.samples.some(({ name }) => name === 'sandpoll_ready')) return found;
  return fail('what answers there is no Sandpoll host; name the address it says it has metrics on');
}

/** The table: what is text to the left, numbers to the right; nothing of it moves a cursor. */
export function formatTable(rows: readonly Row[]): string[] {
  const cells = [
    COLUMNS.map(({ title }) => title),
    ...rows.map((row) => COLUMNS.map(({ text }) => printable(text(row)))),
  ];
  const widths = COLUMNS.map((_column, at) => Math.max(...cells.map((line) => line[at].length)));
  return cells.map((line) =>
    line
      .map((text, at) => (at < 2 ? text.padEnd(widths[at]) : text.padStart(widths[at])))
      .join('  ')
      .trimEnd(),
  );
}

function headLine(url: URL, now: Scrape, rows: readonly Row[]): string {
  const up = rows.filter(({ isUp }) => isUp).length;
  const state = isReady(now) ? 'ready' : 'not ready';
  return `sandpoll at ${url.host}: ${state}, ${up} of ${rows.length} guests up`;
}

/** Draws over what was there, as much as there is room for. */
function draw(lines: readonly string[]): void {
  // A terminal that does not know its size says 0.
  const columns = process.stdout.columns || 80;
  const rows = process.stdout.rows || 24;
  const shown = lines.slice(0, rows - 1).map((line) => line.slice(0, columns) + CLEAR_LINE);
  process.stdout.write(`${HOME}${shown.join('\n')}${CLEAR_BELOW}`);
}

/** Shows the table again and again; ends with this process. */
async function watch(url: URL, first: Scrape): Promise<never> {
  const live = process.stdout.isTTY;
  if (live) process.stdout.write(ENTER);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(0));
  }
  process.once('exit', () => {
    if (live) process.stdout.write(LEAVE);
  });
  const show = (lines: readonly string[]): void => {
    if (live) draw(lines);
    else process.stdout.write(`${lines.join('\n')}\n\n`);
  };
  let before: Scrape | undefined = first;
  show([
    headLine(url, first, rowsOf(first, undefined)),
    '',
    ...formatTable(rowsOf(first, undefined)),
  ]);
  for (;;) {
    await sleep(INTERVAL_MS);
    try {
      const now = await scrape(url);
      const rows = rowsOf(now, before);
      before = now;
      show([headLine(url, now, rows), '', ...formatTable(rows)]);
    } catch (error) {
      before = undefined;
      show([(error as Error).message]);
    }
  }
}

/** Shows the metrics at `url`; returns the exit status. Errors of the first look are thrown. */
export async function top({ url, once }: TopArguments): Promise<number> {
  const first = await scrape(url);
  if (!once) return watch(url, first);
  await sleep(INTERVAL_MS);
  const now = await scrape(url);
  const rows = rowsOf(now, first);
  process.stdout.write(`${[headLine(url, now, rows), ...formatTable(rows)].join('\n')}\n`);
  return 0;
}

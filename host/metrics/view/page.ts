/** The page at `/`: asks for the metrics each second, and shows a table and plots of them. */
import { COLUMNS, bytesText, countText, shareText } from './columns.js';
import { Plot, type Series, colour } from './plot.js';
import { type Row, isReady, rowsOf } from './rates.js';
import { type Scrape, parseScrape } from './scrape.js';

const INTERVAL_MS = 1000;
/** How many seconds are shown, at first and at most, and of how many guests. */
const SHOWN_FIRST_S = 30;
const SHOWN_S = 180;
const LINES_MAX = 16;

/** What is plotted: each with the value of a row. */
const PLOTS: readonly (readonly [Plot, (row: Row) => number])[] = [
  [new Plot('Calls per second', countText), (row) => row.callsPerS],
  [new Plot('CPU', shareText), (row) => row.cpuShare],
  [new Plot('Time spent waiting', shareText), (row) => row.waitShare],
  [new Plot('Connections', countText), (row) => row.connections],
  [new Plot('Received per second', bytesText), (row) => row.receivedBytesPerS],
  [new Plot('Sent per second', bytesText), (row) => row.sentBytesPerS],
  [new Plot('Events per wait', countText), (row) => row.eventsPerWait],
  [new Plot('Memory', bytesText), (row) => row.memoryBytes],
];

/** The rows of the last seconds, the newest last. */
const history: (readonly Row[])[] = [];

function byId(id: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(`#${id}`);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

function cell(kind: 'td' | 'th', text: string): HTMLElement {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function tableRow(row: Row, index: number): HTMLElement {
  const line = document.createElement('tr');
  line.append(...COLUMNS.map(({ text }) => cell('td', text(row))));
  if (index < LINES_MAX) (line.firstElementChild as HTMLElement).style.color = colour(index);
  return line;
}

function show(rows: readonly Row[]): void {
  history.push(rows);
  if (history.length > SHOWN_S) history.shift();
  byId('rows').replaceChildren(...rows.map(tableRow));
  const guests = rows.slice(0, LINES_MAX).map(({ guest }) => guest);
  for (const [plot, value] of PLOTS) {
    const series = guests.map((name): Series => {
      const values = history.map((past) => {
        const row = past.find(({ guest }) => guest === name);
        return row === undefined ? NaN : value(row);
      });
      return { name, values };
    });
    plot.draw(series, Math.max(SHOWN_FIRST_S, history.length));
  }
}

async function scrape(): Promise<Scrape> {
  const response = await fetch('metrics', { signal: AbortSignal.timeout(5 * INTERVAL_MS) });
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return parseScrape(await response.text(), performance.now());
}

/** Shows the next scrape, and what it differs from `before` by. */
async function refresh(before: Scrape | undefined): Promise<Scrape | undefined> {
  const state = byId('state');
  try {
    const now = await scrape();
    state.textContent = isReady(now) ? 'ready' : 'not ready';
    show(rowsOf(now, before));
    return now;
  } catch (error) {
    state.textContent = `no answer: ${(error as Error).message}`;
    show([]);
    return undefined;
  }
}

byId('head').append(...COLUMNS.map(({ title }) => cell('th', title)));
byId('plots').append(...PLOTS.map(([plot]) => plot.figure));
let before: Scrape | undefined;
for (;;) {
  before = await refresh(before);
  await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
}

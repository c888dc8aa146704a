/** `sandpoll top`: a table of what `--metrics` shows. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';

import { parseTopArguments, top as topHere } from '#host/cli/top.js';
import { COLUMNS, bytesText, countText, shareText } from '#host/metrics/view/columns.js';
import { rowsOf } from '#host/metrics/view/rates.js';
import { parseScrape } from '#host/metrics/view/scrape.js';
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { startCommand } from '../support/command.js';
import { keepBusy, withMetered } from '../support/metered.js';
import { type Refusal, refusalOf } from '../support/refusal.js';
import { ROOT } from '../support/sources.js';

const ECHO = `${ROOT}examples/echo/build/echo-lt.wasm`;

test('--once shows each guest with what it did in a second', async () => {
  await withMetered(['--workers', '2', ECHO], async ({ port, url }) => {
    const traffic = await keepBusy(port);
    const { status, stdout, stderr } = await sandpoll(['top', '--once', new URL(url).host]);
    await traffic.stop();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [head, titles, ...rows] = stdout.trimEnd().split('\n');
    expect(head).toBe(`sandpoll at ${new URL(url).host}: ready, 2 of 2 guests up`);
    expect(titles.split(/ +/)).toEqual(COLUMNS.map(({ title }) => title));
    const cells = rows.map((row) => row.split(/ +/));
    expect(cells.map(([guest, state]) => [guest, state])).toEqual([
      ['echo-lt.wasm#0', 'up'],
      ['echo-lt.wasm#1', 'up'],
    ]);
    // One of the two has the connection; the other did nothing but wait.
    const [busy, idle] = cells.toSorted((a, b) => Number(b[5]) - Number(a[5]));
    expect([busy[5], idle[5]]).toEqual(['1', '0']);
    expect(idle.slice(2, 5)).toEqual(['0', '-', '100%']);
    expect(busy[6]).toMatch(/^\d.*B$/);
    expect(busy[6]).not.toBe('0B');
  });
});

test('without --once it goes on, also when its host does not, until it is told to end', async () => {
  await withMetered([ECHO], async ({ command, url }) => {
    const { host } = new URL(url);
    const top = startCommand(['top', host], { stdout: 'pipe' });
    let stdout = '';
    top.child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const shown = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(stdout)) await once(top.child.stdout as Readable, 'data');
    };
    await shown(/echo-lt\.wasm +up[^]*echo-lt\.wasm +up +0 /);
    command.child.kill('SIGKILL');
    await shown(/: nothing answers; /);
    top.child.kill('SIGTERM');
    expect(await top.ended).toMatchObject({ status: 0, signal: null });
    // What is no terminal gets no control sequences.
    expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
  });
});

/** Runs `look` with the arguments of `top` for a server that answers with `body`. */
async function topOf<Result>(
  body: string,
  status: number,
  look: (args: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { connection: 'close' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const result = await look(['--once', `${(server.address() as AddressInfo).port}`]);
  server.close();
  return result;
}

/** How `top` is refused, in this process. */
async function refusedHere(args: readonly string[]): Promise<Refusal> {
  return refusalOf(() => topHere(parseTopArguments(args)));
}

test('B98 names that a hostile host sends do nothing to the terminal', async () => {
  const name = '\x1b]0;owned\x07\u202e\x9b2J';
  const body = `sandpoll_ready 1\nsandpoll_up{guest="${name}"} 1\n`;
  const { status, stdout } = await topOf(body, 200, (args) => sandpoll(['top', ...args]));
  expect(status).toBe(0);
  expect(stdout).toContain('\\u{1b}]0;owned\\u{7}\\u{202e}\\u{9b}2J');
  expect(stdout).toMatch(/^[\x20-\x7e\n]*$/);
});

describe('what is no host', () => {
  test('nothing answers', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const { status, stdout, stderr } = await sandpoll(['top', '--once', `${port}`]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(
      `sandpoll: 127.0.0.1:${port}: nothing answers; ` +
        'start the host with --metrics, and name the address it says\n',
    );
  });

  test.each([
    ['another server', '<html>', 200, /: what answers there is no Sandpoll host; /],
    ['an error', '', 503, /: it answers 503$/],
  ])('%s', async (_what, body, answer, sentence) => {
    const refusal = await topOf(body, answer, refusedHere);
    expect(refusal).toEqual({ status: 1, sentence: expect.stringMatching(sentence) });
  });

  test.each([
    [[], /name one address/],
    [['a', 'b'], /name one address/],
    [['http://'], /not an address/],
    [['--often', '9090'], /Unknown option/],
  ])('top %j is wrong usage', async (args, sentence) => {
    const refusal = await refusedHere(args);
    expect(refusal).toEqual({ status: 2, sentence: expect.stringMatching(sentence) });
  });
});

describe('rates', () => {
  const scrape = (atMs: number, values: Readonly<Record<string, number>>) => {
    const lines = Object.entries(values).map(([name, value]) => `${name}{guest="g"} ${value}`);
    return parseScrape(lines.join('\n'), atMs);
  };

  test('a counter that began anew counts from 0', () => {
    const before = scrape(0, { sandpoll_up: 1, sandpoll_sent_bytes_total: 500 });
    const now = scrape(2000, { sandpoll_up: 1, sandpoll_sent_bytes_total: 80 });
    expect(rowsOf(now, before)[0].sentBytesPerS).toBe(40);
    expect(rowsOf(now, undefined)[0].sentBytesPerS).toBeNaN();
  });

  test('a wait that has not ended counts as waiting', () => {
    const before = scrape(0, {
      sandpoll_up: 1,
      sandpoll_wait_seconds_sum: 10,
      sandpoll_waiting_seconds: 0.5,
    });
    const after = { sandpoll_up: 1, sandpoll_wait_seconds_sum: 10, sandpoll_waiting_seconds: 1.25 };
    expect(rowsOf(scrape(1000, after), before)[0].waitShare).toBeCloseTo(0.75);
    const over = { sandpoll_up: 1, sandpoll_wait_seconds_sum: 11, sandpoll_waiting_seconds: 0 };
    expect(rowsOf(scrape(1000, over), before)[0].waitShare).toBeCloseTo(0.5);
  });

  test('numbers are short', () => {
    expect([0, 7, 999, 1000, 12_345, 4e6].map(countText)).toEqual([
      '0',
      '7',
      '999',
      '1.0k',
      '12k',
      '4.0M',
    ]);
    expect([0, 1023, 1536, 10 * 2 ** 20].map(bytesText)).toEqual([
      '0B',
      '1023B',
      '1.5KiB',
      '10MiB',
    ]);
    expect([0, 0.034, 0.5, 1.02, NaN].map(shareText)).toEqual(['0.0%', '3.4%', '50%', '102%', '-']);
  });
});

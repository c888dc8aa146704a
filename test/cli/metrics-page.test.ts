/** The page at `/` of the metrics, as people use it: in a browser. */
import { existsSync } from 'node:fs';

import { type Browser, type Page, chromium } from 'playwright-core';
import { type MetricsSource, startMetrics } from 'sandpoll';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { type Metered, keepBusy, withMetered } from '../support/metered.js';
import { ROOT } from '../support/sources.js';

const CHROMIUM = '/usr/bin/chromium';
const ECHO = `${ROOT}examples/echo/build/echo-lt.wasm`;
const NEEDS = `needs ${CHROMIUM}: apt-get install chromium`;

const isMissing = !existsSync(CHROMIUM);
let browser: Browser | undefined;

beforeAll(async () => {
  if (isMissing) return;
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
});

afterAll(async () => browser?.close());

/** Opens a page; whatever it complains of is collected. */
async function withPage(
  url: string,
  body: (page: Page, complaints: readonly string[]) => Promise<void>,
): Promise<void> {
  const page = await browser?.newPage();
  if (page === undefined) throw new Error('there is no browser');
  try {
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(url);
    await body(page, complaints);
  } finally {
    await page.close();
  }
}

/** Sends and receives while the page looks. */
async function watched({ port, url }: Metered): Promise<void> {
  const traffic = await keepBusy(port);
  await withPage(url, async (page, complaints) => {
    await page
      .locator('#state')
      .filter({ hasText: /^ready$/ })
      .waitFor();
    const cells = page.locator('#rows td');
    await page.locator('#rows tr').filter({ hasText: /KiB|B/ }).first().waitFor();
    expect(await cells.first().textContent()).toBe('echo-lt.wasm');
    // From the second scrape on there are rates, and lines that go somewhere.
    const line = page.locator('figure polyline[points*=" "]').first();
    await line.waitFor({ state: 'attached' });
    expect(await page.locator('figure').count()).toBe(8);
    const calls = page.locator('figure').filter({ hasText: 'Calls per second' });
    expect(await calls.locator('figcaption').textContent()).toMatch(/up to \d/);
    expect(await calls.locator('title').textContent()).toBe('echo-lt.wasm');
    expect(complaints).toEqual([]);
  });
  await traffic.stop();
}

test.skipIf(isMissing)(`a guest that serves, live in a real browser (${NEEDS})`, () =>
  withMetered([ECHO], watched),
);

test.skipIf(isMissing)(
  `B98 a name is text, and an end of answers is said, in a real browser (${NEEDS})`,
  async () => {
    const name = '<img src=x onerror=alert(1)>"\\\n</script>';
    const source: MetricsSource = { ready: () => false, members: () => [{ name }] };
    const server = await startMetrics('0', source);
    await withPage(server.url, async (page, complaints) => {
      await page.locator('#state').filter({ hasText: 'not ready' }).waitFor();
      expect(await page.locator('#rows td').first().textContent()).toBe(name);
      expect(await page.locator('img').count()).toBe(0);
      expect(complaints).toEqual([]);
      server.close();
      await page.locator('#state').filter({ hasText: 'no answer' }).waitFor();
      expect(await page.locator('#rows tr').count()).toBe(0);
    });
  },
);

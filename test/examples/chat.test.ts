/** The chat example: by a client of our own, and as people use it, in a browser. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { afterEach, describe, expect, test } from 'vitest';

import { Client } from '../support/client.js';
import { type GuestHere, startGuest } from '../support/guest-here.js';
import { Opcode, WebSocketClient, closeFrame, final } from '../support/websocket.js';

const guests: GuestHere[] = [];

afterEach(async () => {
  await Promise.all(guests.splice(0).map(async (guest) => guest.stop()));
});

async function start(variant: string): Promise<GuestHere> {
  const guest = await startGuest(`examples/chat/build/${variant}.wasm`);
  guests.push(guest);
  return guest;
}

/** Comes in under a name, and hears that it did. */
async function enter(port: number, name: string): Promise<WebSocketClient> {
  const member = await WebSocketClient.open(port, '/chat');
  await member.send(final(Opcode.TEXT, name));
  expect(await member.takeText()).toBe(`* ${name} came in`);
  return member;
}

describe.each(['chat', 'chat-poll'])('%s', (variant) => {
  test('what one says, everyone hears, in order', async () => {
    const { port } = await start(variant);
    const ada = await enter(port, 'Ada');
    const bob = await enter(port, 'Bob');
    expect(await ada.takeText()).toBe('* Bob came in');
    const texts = Array.from({ length: 100 }, (_, i) => `line ${i} ☃`);
    for (const text of texts) await ada.send(final(Opcode.TEXT, text));
    for (const text of texts) expect(await bob.takeText()).toBe(`Ada: ${text}`);
    for (const text of texts) expect(await ada.takeText()).toBe(`Ada: ${text}`);
    await bob.send(closeFrame(1000));
    expect(await bob.takeClose()).toBe(1000);
    expect(await ada.takeText()).toBe('* Bob left');
    ada.client.close();
  });

  test('one who breaks off has left too, whoever came after stays', async () => {
    const { port } = await start(variant);
    const first = await enter(port, 'First');
    const second = await enter(port, 'Second');
    first.client.socket.resetAndDestroy();
    expect(await second.takeText()).toBe('* First left');
    await second.send(final(Opcode.TEXT, 'still here'));
    expect(await second.takeText()).toBe('Second: still here');
    second.client.close();
  });

  test.each(['', '   ', 'x'.repeat(33)])('the name %j is refused with 1008', async (name) => {
    const { port } = await start(variant);
    const member = await WebSocketClient.open(port, '/chat');
    await member.send(final(Opcode.TEXT, name));
    expect(await member.takeClose()).toBe(1008);
  });

  test('one who does not read is put out, and the others hear it all (B73)', async () => {
    const { port } = await start(variant);
    const deaf = await enter(port, 'Deaf');
    const ada = await enter(port, 'Ada');
    deaf.client.socket.pause();
    const text = 'x'.repeat(4096);
    let heard = '';
    for (let i = 0; i < 20_000 && heard !== '* Deaf left'; i++) {
      await ada.send(final(Opcode.TEXT, text));
      heard = await ada.takeText();
    }
    expect(heard).toBe('* Deaf left');
    expect(await ada.takeText()).toBe(`Ada: ${text}`);
    ada.client.close();
    deaf.client.close();
  });

  test('the page is served at /, and nothing else', async () => {
    const { port } = await start(variant);
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await answer.text()).toContain('<title>Sandpoll chat</title>');
    expect((await fetch(`http://127.0.0.1:${port}/favicon.ico`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })).status).toBe(405);
    // Without an upgrade there is no chat either.
    const client = await Client.connect(port);
    await client.send('GET /chat HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await client.take(12)).toString()).toBe('HTTP/1.1 404');
    client.close();
  });
});

const CHROMIUM = '/usr/bin/chromium';

async function say(browser: Browser, port: number, name: string, text: string): Promise<string[]> {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  const input = page.locator('#text');
  const lines = page.locator('#lines > div');
  await input.fill(name);
  await input.press('Enter');
  await lines.filter({ hasText: `* ${name} came in` }).waitFor();
  await input.fill(text);
  await page.getByRole('button', { name: 'Say' }).click();
  await lines.filter({ hasText: `${name}: ` }).waitFor();
  const all = await lines.allTextContents();
  await page.close();
  return all;
}

test.skipIf(!existsSync(CHROMIUM))(
  `two people chat in a real browser (needs ${CHROMIUM}: apt-get install chromium)`,
  async () => {
    const { port } = await start('chat');
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
    try {
      const watcher = await enter(port, 'Watcher');
      const markup = '<b onclick=alert(1)>bold & "quoted" ☃</b>';
      const lines = await say(browser, port, 'Ada', markup);
      // Markup is text, to the last character.
      expect(lines).toEqual(['* Ada came in', `Ada: ${markup}`]);
      expect(await watcher.takeText()).toBe('* Ada came in');
      expect(await watcher.takeText()).toBe(`Ada: ${markup}`);
      expect(await watcher.takeText()).toBe('* Ada left');
      watcher.client.close();
    } finally {
      await browser.close();
    }
  },
);

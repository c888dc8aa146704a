/** What a guest of the library has written when it calls `exit` goes out. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

import { startGuest } from '../support/guest-here.js';

test('answers that wait for those of other connections are sent before the end', async () => {
  const guest = await startGuest('test/guests/as/build/last-words.wasm');
  const clients = await Promise.all(
    Array.from({ length: 4 }, async (_each, index) => {
      const socket = connect(guest.port, '127.0.0.1');
      // Who is not answered is reset.
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(String(index));
      return socket;
    }),
  );
  const answers = await Promise.all(clients.map((socket) => text(socket).catch(() => 'reset')));
  expect(await guest.status()).toBe(0);
  expect(guest.stdout).toMatch(/^(collected|sent)\n$/u);
  const answered = answers.filter((answer, index) => answer === String(index));
  expect(answered).toHaveLength(3);
});

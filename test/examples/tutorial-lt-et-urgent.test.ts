/** Urgent bytes, which Node's sockets cannot send, to the servers of examples/tutorial-lt-et. */
import { EPOLLIN, EPOLLOUT } from '#host/abi/epoll.js';
import { AF_INET } from '#host/address.js';
import type { Handle } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { MSG_OOB, SHUT_WR, SOCK_STREAM, World, loopback, ok } from '../conformance/world.js';
import { Client } from '../support/client.js';
import { type GuestHere, startGuest, startListening } from '../support/guest-here.js';
import { startGuestProcess } from '../support/guest-process.js';

const ASSEMBLYSCRIPT = 'examples/tutorial-lt-et/build/tutorial-lt-et.wasm';
const C = 'examples/tutorial-lt-et/c/server.wasm';
const CHUNK = 'a tutorial '.repeat(1000);

const stops: (() => Promise<unknown>)[] = [];
let world: World;

beforeEach(() => {
  world = new World(openNativeKernel());
});

afterEach(async () => {
  world.end();
  await Promise.all(stops.splice(0).map(async (stop) => stop()));
});

/** The guest will be stopped. */
function stopped<Guest extends { readonly stop: () => Promise<unknown> }>(guest: Guest): Guest {
  stops.push(async () => guest.stop());
  return guest;
}

/** A connection that is there. */
function dial(port: number): Handle {
  const handle = ok(world.kernel.socket(AF_INET, SOCK_STREAM, 0));
  world.kernel.connect(handle, loopback(port));
  world.until(handle, EPOLLOUT);
  return handle;
}

/** Receives as many characters as `text` has. */
function answer(handle: Handle, text: string): string {
  let all = '';
  while (all.length < text.length) {
    world.until(handle, EPOLLIN);
    all += world.recv(handle);
  }
  return all;
}

/** Sends an urgent byte between ordinary ones, and takes what comes back till the end. */
function speak(port: number): void {
  const handle = dial(port);
  for (const [text, flags] of [
    ['before', 0],
    ['!', MSG_OOB],
    ['after', 0],
  ] as const) {
    ok(world.send(handle, text, flags));
  }
  ok(world.kernel.shutdown(handle, SHUT_WR));
  expect(answer(handle, 'beforeafterbye\n')).toBe('beforeafterbye\n');
  ok(world.kernel.close(handle));
}

/** What a server must have said of it. */
const TOLD = [
  'client 1 came',
  'client 1 sent an urgent byte: !',
  'client 1 half-closed: FIN, and it took our answer',
  '',
].join('\n');

/** What a server says of one that speaks and leaves. */
async function toldBy(guest: GuestHere): Promise<string> {
  speak(guest.port);
  await guest.printed(/half-closed/u);
  return guest.stdout;
}

test.each(['lt', 'et'])('AssemblyScript, %s: an urgent byte is told once (E8)', async (mode) => {
  const guest = stopped(await startGuest(ASSEMBLYSCRIPT, [], [mode]));
  expect(await toldBy(guest)).toBe(TOLD);
});

test.each(['lt', 'et', 'oneshot'])('C, %s: an urgent byte is told once (E8)', async (mode) => {
  const guest = stopped(await startListening(C, mode));
  expect(await toldBy(guest)).toBe(TOLD);
});

describe.each(['lt', 'et'])('%s', (mode) => {
  test('an urgent byte of a client that takes nothing is no reason to spin (E10)', async () => {
    const guest = stopped(await startGuestProcess(ASSEMBLYSCRIPT, ['--trace=epoll'], [mode]));
    const other = await Client.connect(guest.port);
    const handle = dial(guest.port);
    // Until it waits for the chance to send.
    while (!/^epoll_ctl.*op=3/mu.test(guest.stderr)) {
      ok(world.send(handle, CHUNK));
      await other.exchange('.');
    }
    ok(world.send(handle, '!', MSG_OOB));
    expect(await guest.printed(/^client 2 sent an urgent byte: !$/mu)).toBe(true);
    const before = guest.calls().length;
    for (let i = 0; i < 100; i++) await other.exchange('.');
    expect(guest.calls().length - before).toBeLessThan(300);
    other.close();
  });
});

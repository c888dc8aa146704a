/** Results that come when their guest has ended, or is another by now (B22). */
import { once } from 'node:events';
import { connect } from 'node:net';

import { type Guest, NO_GRANTS, parseListen, startGuest } from '#host/index.js';
import { afterEach, expect, test } from 'vitest';

import { portOf } from '../support/local-guest.js';
import { threadedModule } from '../support/threaded.js';

const { Memory } = WebAssembly;

afterEach(() => {
  WebAssembly.Memory = Memory;
});

/** Starts a guest of threads; its memory, which the host makes, is seen here as well. */
async function startSeen(bytes: Uint8Array): Promise<{ guest: Guest; bytes: () => Buffer }> {
  let seen: WebAssembly.Memory | undefined;
  WebAssembly.Memory = new Proxy(Memory, {
    construct: (target, [descriptor]: [WebAssembly.MemoryDescriptor]) => {
      seen = new target(descriptor);
      return seen;
    },
  });
  const guest = await startGuest({
    bytes,
    name: 'threaded.wasm',
    grants: { ...NO_GRANTS, limits: { ...NO_GRANTS.limits, threads: 2 } },
    listen: [parseListen('127.0.0.1:0')],
  });
  WebAssembly.Memory = Memory;
  return { guest, bytes: () => Buffer.from(new Uint8Array(seen?.buffer ?? new ArrayBuffer(0))) };
}

/** Waits in a call that the peer's bytes end, while the other thread waits for a word to trap. */
const CALLS: Readonly<Record<string, string>> = {
  sock_recv: `(drop (call $sock_recv (i32.load (i32.const 84)) (i32.const 200) (i32.const 1)
    (i32.const 0) (i32.const 208) (i32.const 212)))`,
  fd_read: `(drop (call $fd_read (i32.load (i32.const 84)) (i32.const 200) (i32.const 1)
    (i32.const 208)))`,
  epoll_wait: `
    (call $ok (call $epoll_create1 (i32.const 0) (i32.const 88)))
    (i64.store (i32.const 96) (i64.const 1))
    (call $ok (call $epoll_ctl (i32.load (i32.const 88)) (i32.const 1) (i32.load (i32.const 84))
      (i32.const 96)))
    (drop (call $epoll_wait (i32.load (i32.const 88)) (i32.const 0x10000) (i32.const 16)
      (i32.const -1) (i32.const 208)))`,
  'sock_recv, for ever': `
    (loop $again
      (drop (call $sock_recv (i32.load (i32.const 84)) (i32.const 200) (i32.const 1)
        (i32.const 0) (i32.const 208) (i32.const 212)))
      (i32.store (i32.const 0x10020) (i32.add (i32.load (i32.const 0x10020)) (i32.const 1)))
      (br $again))`,
};

/** The word that says that the other thread is about to be in its call. */
const HERE = 16;

function module(call: string): Uint8Array {
  const accept = (at: number): string =>
    `(call $ok (call $sock_accept (i32.const 3) (i32.const 0) (i32.const ${at})))`;
  return threadedModule({
    start: `
      ${accept(80)} ${accept(84)}
      (i32.store (i32.const 200) (i32.const 0x10000))
      (i32.store (i32.const 204) (i32.const 8))
      (i32.store (i32.const 220) (i32.const 0x11000))
      (i32.store (i32.const 224) (i32.const 8))
      (call $start_thread (i32.const 0))
      (call $wait (i32.const ${HERE}) (i32.const 0))
      (call $ok (call $sock_recv (i32.load (i32.const 80)) (i32.const 220) (i32.const 1)
        (i32.const 0) (i32.const 228) (i32.const 232)))
      unreachable`,
    thread: `(call $set (i32.const ${HERE}) (i32.const 1)) ${call}`,
  });
}

test.each(Object.entries(CALLS))(
  'B22: nothing is written to the memory of a guest that has trapped: %s',
  async (_name, call) => {
    const { guest, bytes } = await startSeen(module(call));
    const port = portOf(guest);
    const first = connect(port, '127.0.0.1');
    await once(first, 'connect');
    const second = connect(port, '127.0.0.1');
    await once(second, 'connect');
    const closed = [first, second].map(
      async (peer) =>
        new Promise((resolve) => {
          peer
            .on('error', () => {})
            .on('close', resolve)
            .resume();
        }),
    );
    // The one has the guest trap; what the other sends comes before that, meanwhile, or too late.
    first.write('trap');
    const sending = setInterval(() => second.write('late'), 0);
    expect(await guest.ended).toMatchObject({ kind: 'trapped', message: 'unreachable' });
    const left = bytes();
    expect(left.readInt32LE(HERE)).toBe(1);
    await Promise.all(closed);
    clearInterval(sending);
    expect(bytes().equals(left)).toBe(true);
  },
);

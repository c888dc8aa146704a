/** Limits that end a guest, by the ladder of `pitfalls.md` part 3; and the limit of connections. */
import { describe, expect, test } from 'vitest';

import { Errno } from '#host/errno.js';
import {
  DEFAULT_LIMITS,
  type GuestOptions,
  NO_GRANTS,
  type Outcome,
  startGuest,
} from '#host/index.js';
import { drainingGuest } from '../support/draining.js';
import { type Driven, LISTENER, LOOPBACK, withDriven } from '../support/driven.js';
import { wat } from '../wasm/wat.js';

const SPIN = wat(`(module (memory (export "memory") 1)
  (func (export "_start") (loop $for_ever (br $for_ever))))`);

/** Waits for a connection that never comes. */
const WAITS = wat(`(module
  (import "sandpoll" "signalfd" (func $signalfd (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $signalfd (i32.const 0) (i32.const 0) (i32.const 8)))
    (i32.store (i32.const 20) (i32.const 128))
    (drop (call $read (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))))`);

interface Limited extends Pick<GuestOptions, 'timeoutMs' | 'limitGraceMs'> {
  readonly cpuMs?: number | undefined;
}

/** Runs a guest to its end within these limits. */
async function outcomeOf(bytes: Uint8Array, { cpuMs, ...limited }: Limited): Promise<Outcome> {
  const limits = { ...DEFAULT_LIMITS, ...(cpuMs === undefined ? {} : { cpuMs }) };
  const grants = { ...NO_GRANTS, limits };
  const guest = await startGuest({ bytes, name: 'guest.wasm', grants, ...limited });
  const { timeoutMs } = limited;
  // On a machine that does much else, a guest that shall wait may not have come to it.
  const isLate = bytes !== SPIN && !(await guest.ready) && timeoutMs !== undefined;
  if (isLate) return outcomeOf(bytes, { ...limited, cpuMs, timeoutMs: 3 * timeoutMs });
  return guest.ended;
}

describe('a limit that fires says which it was, and on which rung the guest ended', () => {
  /** Long enough, as a rule, for a guest to start and to wait. */
  const WALL_MS = 300;
  const leaves = drainingGuest({ leaves: true });
  const stays = drainingGuest({ leaves: false });
  test.each([
    ['wall time: it was in a wait', WAITS, { timeoutMs: WALL_MS }, 'timeout', 'wake'],
    ['wall time: it was running', SPIN, { timeoutMs: 100 }, 'timeout', 'terminate'],
    ['CPU time: it was running', SPIN, { cpuMs: 100 }, 'cpu', 'terminate'],
    ['CPU before wall time', SPIN, { cpuMs: 100, timeoutMs: 20_000 }, 'cpu', 'terminate'],
    ['a wait is no CPU time', WAITS, { cpuMs: 90, timeoutMs: WALL_MS }, 'timeout', 'wake'],
    ['it left', leaves, { timeoutMs: WALL_MS, limitGraceMs: 10_000 }, 'timeout', 'signal'],
    ['it stayed', stays, { timeoutMs: WALL_MS, limitGraceMs: 50 }, 'timeout', 'wake'],
    ['it has no signalfd', SPIN, { cpuMs: 100, limitGraceMs: 10_000 }, 'cpu', 'terminate'],
  ] as const)('%s', async (_what, bytes, limited, reason, rung) => {
    expect(await outcomeOf(bytes, limited)).toEqual({ kind: 'killed', reason, rung });
  });

  test('the CPU time of a guest is its own: many that wait beside one that spins', async () => {
    const waiting = Array.from({ length: 3 }, async () =>
      outcomeOf(WAITS, { cpuMs: 90, timeoutMs: WALL_MS }),
    );
    expect(await outcomeOf(SPIN, { cpuMs: 100 })).toMatchObject({ reason: 'cpu' });
    for (const outcome of await Promise.all(waiting)) {
      expect(outcome).toMatchObject({ reason: 'timeout' });
    }
  });
});

describe('the limit of connections', () => {
  const CONNECTIONS = 3;
  /** The one that drives the guest counts. */
  const OWN = CONNECTIONS - 1;
  const limits = { connections: CONNECTIONS };
  const OUT = 0x1_0000;
  /** 127.0.0.1 and a port of the kernel's choice: the first half of a `sockaddr_in`. */
  const LOOPBACK_ADDRESS = 0x0100_007f_0000_0002n;
  const [AF_UNIX, AF_INET, SOCK_STREAM, SOCK_DGRAM] = [1, 2, 1, 2];

  test('one more is EMFILE, and waits in the queue until another is closed', () =>
    withDriven({ limits }, async (driven, { reports }) => {
      const { fd } = await driven.accept();
      await driven.accept();
      const peer = await driven.dial();
      const came = new Promise((resolve) => peer.once('data', resolve));
      const accept = ['sock_accept', LISTENER, 0, OUT] as const;
      expect(await driven.call(...accept)).toBe(Errno.MFILE);
      expect(await driven.call(...accept)).toBe(Errno.MFILE);
      expect(reports).toEqual(['connections: 3 are open; allow more with --max-connections']);
      expect(await driven.call('fd_close', fd)).toBe(0);
      expect(await driven.call(...accept)).toBe(0);
      // It is the one that was refused before.
      await driven.calls([
        ['store64', OUT + 8, BigInt(OUT + 64) | (1n << 32n)],
        ['sock_send', fd, OUT + 8, 1, 0, OUT + 16],
      ]);
      expect(await came).toHaveLength(1);
    }));

  test('a socket of its own counts from the start, a datagram socket does not', () =>
    withDriven({ limits, net: LOOPBACK }, async (driven) => {
      for (let open = 0; open < OWN; open++) {
        expect(await driven.call('socket', AF_INET, SOCK_STREAM, 0, OUT)).toBe(0);
      }
      const last = await driven.u32(OUT);
      expect(await driven.call('socket', AF_INET, SOCK_STREAM, 0, OUT)).toBe(Errno.MFILE);
      expect(await driven.call('socket', AF_INET, SOCK_DGRAM, 0, OUT)).toBe(0);
      // A listener is no connection any more.
      await driven.call('store64', OUT, LOOPBACK_ADDRESS);
      expect(await driven.call('bind', last, OUT, 16)).toBe(0);
      expect(await driven.call('listen', last, 1)).toBe(0);
      expect(await driven.call('socket', AF_INET, SOCK_STREAM, 0, OUT)).toBe(0);
    }));

  test('a pair counts twice; renumbering onto one frees it', () =>
    withDriven({ limits }, async (driven) => {
      const pair = ['socketpair', AF_UNIX, SOCK_STREAM, 0, OUT] as const;
      expect(await driven.call(...pair)).toBe(0);
      const [one, other] = [await driven.u32(OUT), await driven.u32(OUT + 4)];
      expect(await driven.call(...pair)).toBe(Errno.MFILE);
      expect(await driven.call('fd_renumber', one, other)).toBe(0);
      expect(await driven.call(...pair)).toBe(Errno.MFILE);
      expect(await driven.call('fd_close', other)).toBe(0);
      expect(await driven.call(...pair)).toBe(0);
    }));
});

describe('the limit of what sockets buffer in the kernel', () => {
  const limits = { fds: 16, bufferedBytes: 2 ** 20 };
  /** What a socket has, as Linux doubles it. */
  const SHARE_BYTES = (2 * 2 ** 20) / (16 * 4);
  const OUT = 0x1_0000;
  const [SOL_SOCKET, SO_SNDBUF, SO_RCVBUF] = [1, 7, 8];

  /** Both buffers of a descriptor, in bytes. */
  async function buffersOf(driven: Driven, fd: number): Promise<number[]> {
    const sizes = [];
    for (const name of [SO_SNDBUF, SO_RCVBUF]) {
      await driven.call('store64', OUT, 4);
      const result = await driven.call('getsockopt', fd, SOL_SOCKET, name, OUT + 8, OUT);
      expect(result).toBe(0);
      sizes.push(await driven.u32(OUT + 8));
    }
    return sizes;
  }

  test('is shared out: among listeners, what they accept, and sockets of its own', () =>
    withDriven({ limits, net: LOOPBACK }, async (driven) => {
      const { fd } = await driven.accept();
      await driven.call('socket', 2, 1, 0, OUT);
      const own = await driven.u32(OUT);
      await driven.call('socketpair', 1, 1, 0, OUT);
      const [one, other] = [await driven.u32(OUT), await driven.u32(OUT + 4)];
      for (const each of [LISTENER, fd, own, one, other]) {
        expect(await buffersOf(driven, each)).toEqual([SHARE_BYTES, SHARE_BYTES]);
      }
    }));

  test('cannot be raised by the guest, but lowered', () =>
    withDriven({ limits }, async (driven) => {
      const { fd } = await driven.accept();
      for (const [asked, given] of [
        [2 ** 30, SHARE_BYTES],
        [4096, 8192],
      ]) {
        await driven.call('store64', OUT, asked);
        for (const name of [SO_SNDBUF, SO_RCVBUF]) {
          expect(await driven.call('setsockopt', fd, SOL_SOCKET, name, OUT, 4)).toBe(0);
        }
        expect(await buffersOf(driven, fd)).toEqual([given, given]);
      }
    }));

  test('bounds what a peer that never reads makes the host keep (B73)', () =>
    withDriven({ limits }, async (driven) => {
      const { fd, peer } = await driven.accept();
      peer.pause();
      await driven.calls([
        ['store64', OUT, BigInt(OUT + 64) | (4096n << 32n)],
        ['store64', OUT + 8, 0],
      ]);
      let sent = 0;
      while ((await driven.call('sock_send', fd, OUT, 1, 0, OUT + 16)) === 0) {
        sent += await driven.u32(OUT + 16);
        // The peer's own buffers take some megabytes.
        expect(sent).toBeLessThan(16 * 2 ** 20);
      }
      expect(sent).toBeGreaterThan(0);
    }));

  test('that is too little for what Linux gives each is wrong usage', async () => {
    const grants = { ...NO_GRANTS, limits: { ...DEFAULT_LIMITS, bufferedBytes: 2 ** 20 } };
    const started = startGuest({ bytes: SPIN, name: 'guest.wasm', grants });
    await expect(started).rejects.toMatchObject({
      code: 'ERR_SANDPOLL_USAGE',
      message: '--max-buffered 1048576B: at least 9437184B for --max-fds 1024',
    });
  });
});

import { readFileSync, readdirSync } from 'node:fs';
import { once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { EFD_NONBLOCK, EPOLL_CTL_ADD } from '#host/abi/epoll.js';
import { FDS_MAX } from '#host/descriptors.js';
import { Errno } from '#host/errno.js';

import { openDescriptors } from '../support/descriptors.js';
import {
  CONTROL,
  type Driven,
  LISTENER,
  LOOPBACK,
  iovecs,
  startDriven,
  withDriven,
} from '../support/driven.js';
import { PAGE_BYTES, type Shape } from '../support/driver.js';
import {
  DIRECTORY,
  type Scene,
  hostileRows,
  validArguments,
  withScene,
  writeInputs,
} from '../support/scene.js';

const OUT = PAGE_BYTES;
const IOVS = PAGE_BYTES + 0x100;
const DATA = PAGE_BYTES + 0x200;
const EVENT = PAGE_BYTES + 0x300;

async function opened(driven: Driven, name: string, ...args: number[]): Promise<number> {
  expect([name, await driven.call(name, ...args, OUT)]).toEqual([name, 0]);
  return driven.u32(OUT);
}

const eventfd = (driven: Driven, initval = 0): Promise<number> =>
  opened(driven, 'eventfd', initval, EFD_NONBLOCK);

describe('B23: numbers that are not open, on every import', () => {
  test.each<[Shape, number]>([
    ['long', 40],
    ['short', 40],
    ['unstable', 2],
  ])('%s forms', async (shape, least) => {
    await withScene({ shape }, async (driven, scene) => {
      const closed = await eventfd(driven);
      expect(await driven.call('fd_close', closed)).toBe(0);
      const numbers = [closed, 99, 1023, 1024, 1025, -1, -2, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
      const seen = new Set<string>();
      for (const named of hostileRows(shape)) {
        const { name, parameters } = named.row;
        const valid = validArguments(scene, named);
        for (const [position, kind] of Object.values(parameters).entries()) {
          if (kind !== 'fd') continue;
          seen.add(name);
          const calls = numbers.map((fd) => [name, ...valid.with(position, fd)] as const);
          const results = await driven.calls(calls);
          expect([name, position, results]).toEqual([
            name,
            position,
            numbers.map(() => Errno.BADF),
          ]);
        }
      }
      expect(seen.size).toBeGreaterThan(least);
    });
  });
});

describe('B24: the right number, the wrong type', () => {
  const { NOTSOCK, INVAL, NOTCONN, NOTSUP, ACCES, SPIPE, AGAIN, DESTADDRREQ, PIPE, BADF, PERM } =
    Errno;

  /** What each answers on: stdin, listener, stream, datagram, epoll, event, file, directory. */
  const MATRIX: Readonly<Record<string, readonly number[]>> = {
    sock_accept: [NOTSOCK, AGAIN, INVAL, NOTSUP, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_recv: [NOTSOCK, NOTCONN, 0, AGAIN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_send: [NOTSOCK, PIPE, 0, DESTADDRREQ, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_recv_from: [NOTSOCK, NOTCONN, 0, AGAIN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    // Not bound yet, listening would bind the datagram socket to every interface (B39).
    sock_listen: [NOTSOCK, 0, INVAL, ACCES, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_bind: [NOTSOCK, INVAL, INVAL, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_getpeeraddr: [NOTSOCK, NOTCONN, 0, NOTCONN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_getlocaladdr: [NOTSOCK, 0, 0, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_getsockopt: [NOTSOCK, 0, 0, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_setsockopt: [NOTSOCK, 0, 0, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    epoll_wait: [INVAL, INVAL, INVAL, INVAL, 0, INVAL, INVAL, INVAL],
    epoll_pwait2: [INVAL, INVAL, INVAL, INVAL, 0, INVAL, INVAL, INVAL],
    fd_seek: [SPIPE, SPIPE, SPIPE, SPIPE, SPIPE, SPIPE, 0, BADF],
    fd_tell: [SPIPE, SPIPE, SPIPE, SPIPE, SPIPE, SPIPE, 0, BADF],
    accept4: [NOTSOCK, AGAIN, INVAL, NOTSUP, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    recv: [NOTSOCK, NOTCONN, 0, AGAIN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    recvfrom: [NOTSOCK, NOTCONN, 0, AGAIN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    recvmsg: [NOTSOCK, NOTCONN, 0, AGAIN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    send: [NOTSOCK, PIPE, 0, DESTADDRREQ, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sendmsg: [NOTSOCK, PIPE, 0, DESTADDRREQ, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    recvmmsg: [NOTSOCK, NOTCONN, 0, AGAIN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sendmmsg: [NOTSOCK, PIPE, 0, DESTADDRREQ, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    listen: [NOTSOCK, 0, INVAL, NOTSUP, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    bind: [NOTSOCK, INVAL, INVAL, INVAL, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    getpeername: [NOTSOCK, NOTCONN, 0, NOTCONN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    getsockname: [NOTSOCK, 0, 0, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    getsockopt: [NOTSOCK, 0, 0, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    setsockopt: [NOTSOCK, 0, 0, 0, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
    sock_shutdown: [NOTSOCK, 0, 0, NOTCONN, NOTSOCK, NOTSOCK, NOTSOCK, NOTSOCK],
  };

  const kinds = (scene: Scene): number[] => [
    0,
    scene.listener,
    scene.stream,
    scene.datagram,
    scene.epoll,
    scene.event,
    scene.file,
    DIRECTORY,
  ];

  test('on every call that needs one type', async () => {
    await withScene({}, async (driven, scene) => {
      for (const [name, expected] of Object.entries(MATRIX)) {
        const named = hostileRows('long').find(({ row }) => row.name === name);
        if (named === undefined) throw new Error(`there is no ${name}`);
        await writeInputs(driven, scene);
        const args = validArguments(scene, named);
        const calls = kinds(scene).map((fd) => [name, ...args.with(0, fd)] as const);
        expect([name, await driven.calls(calls)]).toEqual([name, expected]);
      }
    });
  });

  test('epoll_ctl on an epoll of each type; reading and writing what has no bytes', async () => {
    await withScene({}, async (driven, scene) => {
      const all = kinds(scene);
      const add = (epfd: number, fd: number) =>
        driven.call('epoll_ctl', epfd, EPOLL_CTL_ADD, fd, EVENT);
      const added = [];
      for (const epfd of all.filter((fd) => fd !== scene.epoll)) {
        added.push(await add(epfd, scene.event));
      }
      expect(added).toEqual(added.map(() => INVAL));
      // Linux has no epoll of either.
      expect([await add(scene.epoll, scene.file), await add(scene.epoll, DIRECTORY)]).toEqual([
        PERM,
        PERM,
      ]);
      await driven.calls(iovecs(IOVS, [[DATA, 8]]));
      expect(await driven.call('fd_read', scene.epoll, IOVS, 1, OUT)).toBe(INVAL);
      expect(await driven.call('fd_write', scene.epoll, IOVS, 1, OUT)).toBe(INVAL);
      expect(await driven.call('fd_read', scene.listener, IOVS, 1, OUT)).toBe(NOTCONN);
      // Streams of one direction: as a descriptor not open for it, EBADF (read(2)).
      expect(await driven.call('fd_write', 0, IOVS, 1, OUT)).toBe(BADF);
      expect(await driven.call('fd_read', 1, IOVS, 1, OUT)).toBe(BADF);
    });
  });
});

describe('fd_renumber', () => {
  test('B25: onto itself, to what is not open, to numbers beyond any table', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven);
      const renumber = (from: number, to: number) => driven.call('fd_renumber', from, to);
      expect(await renumber(fd, fd)).toBe(0);
      const nowhere = [fd + 1, 1023, 1024, 2 ** 31, 2 ** 32 - 1];
      for (const to of nowhere) {
        expect(await renumber(fd, to)).toBe(Errno.BADF);
        expect(await renumber(to, fd)).toBe(Errno.BADF);
        expect(await renumber(to, to)).toBe(Errno.BADF);
      }
      expect(await driven.call('fd_close', fd)).toBe(0);
    });
  });

  test('B25: onto an epoll, a listener and stdio; opening and accepting work after it', async () => {
    await withScene({}, async (driven, scene) => {
      await driven.calls(iovecs(IOVS, [[DATA, 8]]));
      for (const target of [scene.epoll, scene.datagram, 0, 1, 2]) {
        const fd = await eventfd(driven, 40 + target);
        expect(await driven.call('fd_renumber', fd, target)).toBe(0);
        expect(await driven.call('fd_read', target, IOVS, 1, OUT)).toBe(0);
        expect(await driven.u32(DATA)).toBe(40 + target);
        expect(await driven.call('fd_close', fd)).toBe(Errno.BADF);
        // The number that moved away is the lowest free one again.
        expect(await eventfd(driven)).toBe(fd);
        expect(await driven.call('fd_close', fd)).toBe(0);
      }
      // The stream onto the listener, whose socket is closed by it: nobody can connect now.
      const { fd, peer } = await driven.accept();
      expect(await driven.call('fd_renumber', fd, scene.listener)).toBe(0);
      await driven.call('memory.fill', DATA, 0x79, 8);
      expect(await driven.call('fd_write', scene.listener, IOVS, 1, OUT)).toBe(0);
      expect(String((await once(peer, 'data'))[0])).toBe('yyyyyyyy');
      await expect(driven.dial()).rejects.toBeDefined();
    });
  });

  test('B26: 2,000 times open and renumber leave the host as it was', async () => {
    await withDriven({}, async (driven) => {
      const target = await eventfd(driven);
      const before = openDescriptors().length;
      for (let i = 0; i < 20; i++) {
        const calls = Array.from({ length: 100 }, () => [
          ['eventfd', 0, EFD_NONBLOCK, OUT] as const,
          ['fd_renumber', target + 1, target] as const,
        ]);
        expect(new Set(await driven.calls(calls.flat()))).toEqual(new Set([0]));
      }
      expect(openDescriptors().length).toBe(before);
      expect(await eventfd(driven)).toBe(target + 1);
    });
  });
});

describe('closing', () => {
  test('B27: with stdio closed a connection gets number 0 to 2, and is not the host’s stdio', async () => {
    const own = [0, 1, 2].map((fd) => openDescriptors().find((each) => each.startsWith(`${fd} `)));
    await withDriven({}, async (driven) => {
      for (const fd of [0, 1, 2]) expect(await driven.call('fd_close', fd)).toBe(0);
      const accepted = [await driven.accept(), await driven.accept(), await driven.accept()];
      expect(accepted.map(({ fd }) => fd)).toEqual([0, 1, 2]);
      await driven.calls(iovecs(IOVS, [[DATA, 4]]));
      await driven.call('memory.fill', DATA, 0x7a, 4);
      for (const { fd, peer } of accepted) {
        expect(await driven.call('fd_write', fd, IOVS, 1, OUT)).toBe(0);
        expect(String((await once(peer, 'data'))[0])).toBe('zzzz');
      }
      const now = [0, 1, 2].map((fd) =>
        openDescriptors().find((each) => each.startsWith(`${fd} `)),
      );
      expect(now).toEqual(own);
    });
  });

  test('B28: twice is BADF, and the number is free', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven);
      expect(
        await driven.calls([
          ['fd_close', fd],
          ['fd_close', fd],
        ]),
      ).toEqual([0, Errno.BADF]);
      expect(await eventfd(driven)).toBe(fd);
    });
  });

  test('B28: a closed connection is gone at once: its peer sees the end', async () => {
    await withDriven({}, async (driven) => {
      const { fd, peer } = await driven.accept();
      peer.resume();
      const ended = once(peer, 'end');
      expect(await driven.call('fd_close', fd)).toBe(0);
      await ended;
    });
  });
});

describe('numbers', () => {
  test('B30: a full table is MFILE for all that opens, told once, and loses no connection', async () => {
    await withDriven({ net: LOOPBACK, limits: { fds: 12 } }, async (driven, { reports }) => {
      const fds = [];
      for (let fd = CONTROL + 1; fd < 12; fd++) fds.push(await eventfd(driven));
      expect(fds.at(-1)).toBe(11);
      const before = openDescriptors().length;
      const opening = [
        ['eventfd', 0, 0, OUT],
        ['epoll_create1', 0, OUT],
        ['sock_open', 1, 1, OUT],
        ['sock_open', 1, 2, OUT],
      ] as const;
      expect(new Set(await driven.calls(opening))).toEqual(new Set([Errno.MFILE]));
      expect(openDescriptors().length).toBe(before);
      const peer = await driven.dial();
      expect(await driven.call('sock_accept', LISTENER, 0, OUT)).toBe(Errno.MFILE);
      expect(reports).toEqual(['descriptors: 12 are open; allow more with --max-fds']);
      expect(await driven.call('fd_close', fds[3])).toBe(0);
      expect(await driven.call('sock_accept', LISTENER, 0, OUT)).toBe(0);
      expect(await driven.u32(OUT)).toBe(fds[3]);
      peer.write('still here');
      await driven.calls(iovecs(IOVS, [[DATA, 64]]));
      expect(await driven.call('fd_read', fds[3], IOVS, 1, OUT)).toBe(0);
      expect(await driven.u32(OUT)).toBe(10);
    });
  });

  test('B31: a table that large numbers could overflow is refused before anything runs', async () => {
    const start = startDriven({ limits: { fds: FDS_MAX + 1 } });
    await expect(start).rejects.toMatchObject({ code: 'ERR_SANDPOLL_USAGE' });
  });

  test('B32: a number of the host’s is no number of the guest’s', async () => {
    await withDriven({}, async (driven) => {
      const numbers = readdirSync('/proc/self/fd')
        .map(Number)
        .filter((fd) => fd > CONTROL);
      const before = openDescriptors();
      expect(numbers.length).toBeGreaterThan(5);
      const closed = await driven.calls(numbers.map((fd) => ['fd_close', fd] as const));
      expect(new Set(closed)).toEqual(new Set([Errno.BADF]));
      expect(openDescriptors()).toEqual(before);
    });
  });
});

describe('flags', () => {
  test('B33: unknown bits are INVAL, what a stream cannot promise is NOTSUP', async () => {
    await withDriven({}, async (driven) => {
      const fd = await eventfd(driven);
      const set = (flags: number) => driven.call('fd_fdstat_set_flags', fd, flags);
      for (const flags of [32, 64, 0x200, 0x400, 0x800, 0x10000, 2 ** 31, 2 ** 32 - 1]) {
        expect([flags, await set(flags)]).toEqual([flags, Errno.INVAL]);
      }
      for (const flags of [2, 8, 16, 31]) expect(await set(flags)).toBe(Errno.NOTSUP);
      expect(await driven.call('fd_fdstat_get', fd, OUT)).toBe(0);
      // What was refused has changed nothing: the eventfd is NONBLOCK as it was made.
      expect(await driven.call('load8', OUT + 2)).toBe(4);
      expect(await set(0)).toBe(0);
      await driven.call('fd_fdstat_get', fd, OUT);
      expect(await driven.call('load8', OUT + 2)).toBe(0);
    });
  });

  test('B33: sock_accept with unknown bits is INVAL, and loses no connection', async () => {
    await withDriven({}, async (driven) => {
      await driven.dial();
      for (const flags of [32, 0x800, 2 ** 31, -1]) {
        expect(await driven.call('sock_accept', LISTENER, flags, OUT)).toBe(Errno.INVAL);
      }
      expect(await driven.call('sock_accept', LISTENER, 4, OUT)).toBe(0);
      await driven.call('fd_fdstat_get', await driven.u32(OUT), OUT);
      expect(await driven.call('load8', OUT + 2)).toBe(4);
    });
  });

  test('B34: NONBLOCK on the guest’s stdio is not on the host’s', async () => {
    const flags = (): string[] =>
      [0, 1, 2].map(
        (fd) => /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1],
      );
    const before = flags();
    await withDriven({}, async (driven) => {
      for (const fd of [0, 1, 2]) {
        expect(await driven.call('fd_fdstat_set_flags', fd, 4)).toBe(0);
      }
      expect(flags()).toEqual(before);
    });
    expect(flags()).toEqual(before);
  });

  test('epoll_create1 and eventfd refuse unknown flags and open nothing', async () => {
    await withDriven({}, async (driven) => {
      for (const flags of [2, 4, 0x4000, 2 ** 31, -1]) {
        expect(await driven.call('epoll_create1', flags, OUT)).toBe(Errno.INVAL);
        expect(await driven.call('eventfd', 0, flags, OUT)).toBe(Errno.INVAL);
      }
      expect(await eventfd(driven)).toBe(CONTROL + 1);
    });
  });
});

test('B39: sending with nobody to send to does not bind: no grant was asked for that', async () => {
  await withDriven({}, async (driven) => {
    const fd = await opened(driven, 'sock_open', 1, 1);
    await driven.calls(iovecs(IOVS, [[DATA, 1]]));
    const sent = await driven.calls([
      ['sock_send', fd, IOVS, 1, 0, OUT],
      ['fd_write', fd, IOVS, 1, OUT],
    ]);
    expect(sent).toEqual([Errno.DESTADDRREQ, Errno.DESTADDRREQ]);
    await driven.calls(iovecs(EVENT, [[DATA, 4]]));
    expect(await driven.call('sock_getlocaladdr', fd, EVENT, OUT, OUT + 8)).toBe(0);
    expect(await driven.u32(OUT + 8)).toBe(0);
  });
});

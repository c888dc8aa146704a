import { describe, expect, test } from 'vitest';

import { EFD_NONBLOCK } from '#host/abi/epoll.js';
import { Errno } from '#host/errno.js';

import type { Call, Driven } from '../support/driven.js';
import type { NamedRow, Shape } from '../support/driver.js';
import { isPointer, pointedBytes } from '../support/pointers.js';
import {
  FILL_MARKERS,
  LOOK_AT_MARKERS,
  MEMORY_END,
  type Scene,
  UNREAD,
  hostileRows,
  resultAt,
  validArguments,
  withScene,
  writeInputs,
} from '../support/scene.js';
import { snapshot } from '../support/grounds.js';

const OPTIONS = { args: ['guest', 'a'], env: { NAME: 'value' } };

/** Rows whose answer is a new descriptor, and the position of its slot. */
const OPENING: Readonly<Record<string, number>> = {
  sock_open: 2,
  epoll_create1: 1,
  eventfd: 2,
  socket: 3,
  socketpair: 3,
  timerfd_create: 2,
  signalfd: 2,
  pipe2: 1,
  path_open: 8,
};

/** What valid arguments are answered where that is not SUCCESS. */
const ANSWERS: Readonly<Record<string, number>> = {
  // The stream of the scene is bound and connected.
  sock_bind: Errno.INVAL,
  sock_connect: Errno.ISCONN,
  sock_accept: Errno.AGAIN,
  bind: Errno.INVAL,
  connect: Errno.ISCONN,
  accept4: Errno.AGAIN,
  channel_recv: Errno.AGAIN,
  path_create_directory: Errno.EXIST,
  path_link: Errno.EXIST,
  path_symlink: Errno.EXIST,
  path_remove_directory: Errno.NOENT,
  path_unlink_file: Errno.NOENT,
};

/** Rows that look at memory. */
function pointerRows(shape: Shape): NamedRow[] {
  return hostileRows(shape).filter(
    ({ row }) =>
      !UNREAD.includes(row.name) &&
      Object.entries(row.parameters).some(([name, kind]) => isPointer(name, kind)),
  );
}

/** Calls a row with valid arguments, and closes what it opened. */
async function callValid(
  driven: Driven,
  named: NamedRow,
  args: readonly (number | bigint)[],
): Promise<number> {
  const { name } = named.row;
  const errno = await driven.call(name, ...args);
  const slot = OPENING[name];
  if (errno === 0 && slot !== undefined) {
    const opened = Object.keys(named.row.parameters)[slot] === 'result.fds' ? [0, 4] : [0];
    for (const offset of opened) {
      const fd = await driven.u32(Number(args[slot]) + offset);
      expect(await driven.call('fd_close', fd)).toBe(0);
    }
  }
  return errno;
}

/** Addresses at which `bytes` bytes do not lie in memory: past its end, negative, wrapping. */
function outside(bytes: number): number[] {
  return [MEMORY_END - bytes + 1, MEMORY_END, 2 ** 31, 2 ** 31 + 8, 2 ** 32 - bytes, 2 ** 32 - 1];
}

/** The calls of a row with one pointer outside memory and all else valid, and what they are. */
function hostileCalls(scene: Scene, named: NamedRow): { call: Call; what: string }[] {
  const { row } = named;
  const valid = validArguments(scene, named);
  return Object.entries(row.parameters).flatMap(([name, kind], position) => {
    if (!isPointer(name, kind)) return [];
    return outside(pointedBytes(scene, named, name, kind)).map((pointer) => ({
      call: [row.name, ...valid.with(position, pointer)] as const,
      what: `${row.name} ${name}=0x${pointer.toString(16)}`,
    }));
  });
}

describe.each<Shape>(['long', 'short', 'unstable'])(
  'every import that takes pointers, %s forms',
  (shape) => {
    test('B1–B4, B7, B8: outside memory is FAULT, writes nothing, opens nothing', async () => {
      await withScene({ ...OPTIONS, shape }, async (driven, scene, folder) => {
        const lowest = await nextDescriptor(driven);
        const onDisk = snapshot(folder);
        await driven.calls(FILL_MARKERS);
        const wrong: string[] = [];
        for (const named of pointerRows(shape)) {
          const hostile = hostileCalls(scene, named);
          const calls = hostile.flatMap(({ call }) => [call, ...LOOK_AT_MARKERS]);
          const results = await driven.calls(calls);
          hostile.forEach(({ what }, index) => {
            const [errno, ...dirty] = results.slice(3 * index, 3 * index + 3);
            if (errno !== Errno.FAULT) wrong.push(`${what} answered ${errno}`);
            if (dirty.some((at) => at !== -1)) wrong.push(`${what} wrote at ${dirty.join()}`);
          });
        }
        expect(wrong).toEqual([]);
        expect(await nextDescriptor(driven)).toBe(lowest);
        expect(snapshot(folder)).toEqual(onDisk);
      });
    });

    test('B2: the last bytes of memory are as good as any', async () => {
      await withScene({ ...OPTIONS, shape }, async (driven, scene) => {
        const faults: string[] = [];
        for (const named of pointerRows(shape)) {
          const valid = validArguments(scene, named);
          const { row } = named;
          for (const [position, [name, kind]] of Object.entries(row.parameters).entries()) {
            if (!isPointer(name, kind)) continue;
            const bytes = pointedBytes(scene, named, name, kind);
            await driven.call('memory.fill', MEMORY_END - bytes, 0, bytes);
            const errno = await callValid(driven, named, valid.with(position, MEMORY_END - bytes));
            if (errno === Errno.FAULT) faults.push(`${row.name} ${name}`);
          }
        }
        expect(faults).toEqual([]);
      });
    });

    test('B9: pointers at every offset from 0 to 7 are answered alike', async () => {
      await withScene({ ...OPTIONS, shape }, async (driven, scene) => {
        for (let shift = 0; shift < 8; shift++) {
          await writeInputs(driven, scene, shift);
          for (const named of pointerRows(shape)) {
            const { name } = named.row;
            const errno = await callValid(driven, named, validArguments(scene, named, shift));
            expect([name, shift, errno]).toEqual([name, shift, ANSWERS[name] ?? 0]);
            await writeInputs(driven, scene, shift);
          }
        }
      });
    });
  },
);

test.each([[1], [0]])('B18, B20: every import sees memory that grew by %d pages', async (pages) => {
  await withScene(OPTIONS, async (driven, scene) => {
    for (const named of pointerRows('long')) {
      const { name } = named.row;
      await writeInputs(driven, scene);
      await driven.call('memory.grow', pages);
      const errno = await callValid(driven, named, validArguments(scene, named));
      expect([name, errno]).toEqual([name, ANSWERS[name] ?? 0]);
    }
  });
});

/** The number that the next descriptor will have: whatever leaks one raises it. */
async function nextDescriptor(driven: Driven): Promise<number> {
  const out = resultAt(0);
  expect(await driven.call('eventfd', 0, EFD_NONBLOCK, out)).toBe(0);
  const fd = await driven.u32(out);
  expect(await driven.call('fd_close', fd)).toBe(0);
  return fd;
}

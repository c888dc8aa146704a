/** `sandpoll.submit`: many sends and receives by one call, each as if called by itself. */
import { OP_RECV, OP_SEND, SUBMISSIONS_MAX, Submission } from '#host/abi/submit.js';
import { SOCK_NONBLOCK } from '#host/abi/socket.js';
import { AF_UNIX } from '#host/address.js';
import { Errno } from '#host/errno.js';
import { expect, test } from 'vitest';

import { type Driven, LISTENER, withDriven } from '../support/driven.js';
import { SOCK_DGRAM, SOCK_STREAM, recv, send } from '../support/linux-sockets.js';

/** Where the submissions lie, and the bytes that they move. */
const SUBMISSIONS = 0x1_6000;
const DATA = 0x1_7000;

interface Submitted {
  readonly opcode: number;
  readonly fd: number;
  readonly buf: number;
  readonly len: number;
}

function submissions(list: readonly Submitted[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(list.length * Submission.SIZE));
  list.forEach((each, index) => {
    const at = index * Submission.SIZE;
    Submission.opcode.set(view, at, each.opcode);
    Submission.fd.set(view, at, each.fd);
    Submission.buf.set(view, at, each.buf);
    Submission.len.set(view, at, each.len);
    Submission.result.set(view, at, 0x7777);
  });
  return new Uint8Array(view.buffer);
}

/** Submits, and says what became of each. */
async function submit(driven: Driven, list: readonly Submitted[]): Promise<number[]> {
  await driven.write(SUBMISSIONS, submissions(list));
  expect(await driven.call('submit', SUBMISSIONS, list.length)).toBe(Errno.SUCCESS);
  const results = list.map((_each, index) => {
    return ['load32', SUBMISSIONS + index * Submission.SIZE + Submission.result.offset] as const;
  });
  return (await driven.calls(results)).map((word) => word | 0);
}

const sending = (fd: number, buf: number, len: number): Submitted => {
  return { opcode: OP_SEND, fd, buf, len };
};
const receiving = (fd: number, buf: number, len: number): Submitted => {
  return { opcode: OP_RECV, fd, buf, len };
};

/** Two joined sockets, where what is sent has arrived at once; non-blocking unless said. */
async function pair(driven: Driven, type = SOCK_STREAM | SOCK_NONBLOCK): Promise<[number, number]> {
  expect(await driven.call('socketpair', AF_UNIX, type, 0, DATA)).toBe(0);
  const [near, far] = await driven.calls([
    ['load32', DATA],
    ['load32', DATA + 4],
  ]);
  return [near, far];
}

async function textAt(driven: Driven, at: number, length: number): Promise<string> {
  return new TextDecoder().decode(await driven.read(at, length));
}

test('sends and receives are carried out in their order, each with its own result', async () => {
  await withDriven({}, async (driven) => {
    const [near, far] = await pair(driven);
    await driven.write(DATA, new TextEncoder().encode('onetwo'));
    const results = await submit(driven, [
      receiving(far, DATA + 64, 16),
      sending(near, DATA, 3),
      sending(near, DATA + 3, 3),
      receiving(far, DATA + 64, 4),
      receiving(far, DATA + 80, 16),
      sending(near, DATA, 0),
    ]);
    expect(results).toEqual([-Errno.AGAIN, 3, 3, 4, 2, 0]);
    expect(await textAt(driven, DATA + 64, 4)).toBe('onet');
    expect(await textAt(driven, DATA + 80, 2)).toBe('wo');
  });
});

test('one that fails keeps none from its turn', async () => {
  await withDriven({}, async (driven) => {
    const [near, far] = await pair(driven);
    await driven.write(DATA, new TextEncoder().encode('abcdefgh'));
    const end = 64 * 1024 * (await driven.call('memory.size'));
    const results = await submit(driven, [
      sending(near, DATA, 1),
      sending(99, DATA, 1),
      sending(-1, DATA, 1),
      sending(2, DATA, 1),
      sending(near, end - 1, 2),
      sending(near, -1, 1),
      receiving(far, end, 1),
      { opcode: 0, fd: near, buf: DATA, len: 1 },
      { opcode: -1, fd: near, buf: DATA, len: 1 },
      sending(LISTENER, DATA, 1),
      receiving(LISTENER, DATA, 1),
      sending(near, DATA + 1, 2),
    ]);
    const { BADF, NOTSOCK, FAULT, INVAL, PIPE, NOTCONN } = Errno;
    const badDescriptors = [-BADF, -BADF, -NOTSOCK];
    const badBuffers = [-FAULT, -FAULT, -FAULT];
    const badOpcodes = [-INVAL, -INVAL];
    const ofListener = [-PIPE, -NOTCONN];
    expect(results).toEqual([1, ...badDescriptors, ...badBuffers, ...badOpcodes, ...ofListener, 2]);
    expect(await recv(driven, far)).toBe('abc');
  });
});

test('a blocking descriptor does not wait; a closed peer is told as by send and recv', async () => {
  await withDriven({}, async (driven) => {
    const [near, far] = await pair(driven, SOCK_STREAM);
    expect(await submit(driven, [receiving(near, DATA, 8)])).toEqual([-Errno.AGAIN]);
    expect(await send(driven, far, 'x')).toBe(0);
    expect(await driven.call('fd_close', far)).toBe(0);
    const ends = [receiving(near, DATA, 8), receiving(near, DATA, 8), sending(near, DATA, 1)];
    expect(await submit(driven, ends)).toEqual([1, 0, -Errno.PIPE]);
  });
});

test('of a datagram that is longer than the room, what there was room for is told', async () => {
  await withDriven({}, async (driven) => {
    const [near, far] = await pair(driven, SOCK_DGRAM);
    const results = await submit(driven, [
      sending(near, DATA, 8),
      receiving(far, DATA + 64, 4),
      receiving(far, DATA + 64, 4),
    ]);
    expect(results).toEqual([8, 4, -Errno.AGAIN]);
  });
});

test('too many are EINVAL, outside memory is EFAULT, and nothing is done', async () => {
  await withDriven({}, async (driven) => {
    const [near, far] = await pair(driven);
    const full = Array.from({ length: SUBMISSIONS_MAX }, () => sending(near, DATA, 1));
    await driven.write(SUBMISSIONS, submissions(full));
    const end = 64 * 1024 * (await driven.call('memory.size'));
    expect(
      await driven.calls([
        ['submit', SUBMISSIONS, SUBMISSIONS_MAX + 1],
        ['submit', SUBMISSIONS, -1],
        ['submit', end - Submission.SIZE + 1, 1],
        ['submit', -4, 1],
        ['submit', end, 0],
      ]),
    ).toEqual([Errno.INVAL, Errno.INVAL, Errno.FAULT, Errno.FAULT, Errno.SUCCESS]);
    expect(await submit(driven, [receiving(far, DATA, 64)])).toEqual([-Errno.AGAIN]);
    expect(await submit(driven, full)).toEqual(full.map(() => 1));
    expect(await submit(driven, [receiving(far, DATA, 100)])).toEqual([SUBMISSIONS_MAX]);
  });
});

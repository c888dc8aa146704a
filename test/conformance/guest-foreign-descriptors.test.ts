/** Descriptors that another process sends along with a message (`unix(7)`, SCM_RIGHTS). */
import { EPOLLHUP, EPOLLIN } from '#host/abi/epoll.js';
import { Mmsghdr, Msghdr } from '#host/abi/socket.js';
import { AF_UNIX, encodeSockaddr } from '#host/address.js';
import { parseNetRule } from '#host/grants.js';
import { type Handle, SOCKADDR_BYTES } from '#host/kernel/kernel.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { expect, test } from 'vitest';

import { type Driven, withDriven } from '../support/driven.js';
import { BYTES, SIZE, SOCK_SEQPACKET, rawAddress, recv, socket } from '../support/linux-sockets.js';
import { opens } from '../support/wasmedge.js';
import { World, ok } from './world.js';

const NAME = '\0sandpoll-foreign';
const NET = { allow: [parseNetRule('unix:@sandpoll-foreign', '--allow-net')], deny: [] };
const TEXT = 'with a gift';
const MSG_CTRUNC = 0x08;

async function listen(driven: Driven): Promise<number> {
  const fd = await socket(driven, AF_UNIX, SOCK_SEQPACKET);
  const name = await rawAddress(driven, AF_UNIX, 0, ...Buffer.from(NAME));
  expect(await driven.call('bind', fd, ...name)).toBe(0);
  expect(await driven.call('listen', fd, 1)).toBe(0);
  return fd;
}

function dial(world: World): Handle {
  const handle = ok(world.kernel.socket(AF_UNIX, SOCK_SEQPACKET, 0));
  const address = new Uint8Array(SOCKADDR_BYTES);
  encodeSockaddr(address, { family: 'unix', path: NAME });
  ok(world.kernel.connect(handle, address));
  return handle;
}

/** Sends the text with the writing end of a pipe, of which no other copy stays; the reading end. */
function sendGift(world: World, to: Handle): Handle {
  const { kernel, room } = world;
  ok(kernel.pipe2(room, 0));
  const [reading, writing] = new Int32Array(room.buffer, 0, 2);
  room.set(Buffer.from(TEXT));
  ok(kernel.channelSend(to, room, new Uint32Array([0, TEXT.length]), 1, 0, writing));
  ok(kernel.close(writing));
  return reading;
}

/** Receives one message by `recvmsg` or `recvmmsg`; the `msg_flags` that it is told. */
async function flagsOf(driven: Driven, call: 'recvmsg' | 'recvmmsg', fd: number): Promise<number> {
  const IOV = 0x1_6000;
  const MSG = 0x1_6100;
  const bytes = new Uint8Array(Mmsghdr.SIZE);
  Msghdr.iov.set(new DataView(bytes.buffer), 0, IOV);
  Msghdr.iovlen.set(new DataView(bytes.buffer), 0, 1);
  await driven.write(IOV, new Uint8Array(Uint32Array.of(BYTES, TEXT.length + 16).buffer));
  await driven.write(MSG, bytes);
  const args = call === 'recvmsg' ? [MSG, 0, SIZE] : [MSG, 1, 0, 0, SIZE];
  expect(await driven.call(call, fd, ...args)).toBe(0);
  // A channel's header goes in front of its text.
  expect(await driven.u32(SIZE)).toBe(call === 'recvmsg' ? TEXT.length + 8 : 1);
  return driven.u32(MSG + Msghdr.flags.offset);
}

test('B43 do not come into a guest: its message does, and they are closed', async () => {
  await withDriven({ net: NET }, async (driven) => {
    const world = new World(openNativeKernel());
    try {
      const listener = await listen(driven);
      const sender = dial(world);
      const fd = await opens(driven, 'accept4', listener, 0, 0, 0);
      const reading = sendGift(world, sender);
      // As long as the message waits, so does its gift.
      expect(world.eventsOf(reading, EPOLLIN)).toBe(0);
      expect(await recv(driven, fd, 256)).toContain(TEXT);
      expect(world.until(reading, EPOLLIN)).toBe(EPOLLHUP);
      for (const call of ['recvmsg', 'recvmmsg'] as const) {
        const more = sendGift(world, sender);
        expect(await flagsOf(driven, call, fd)).toBe(MSG_CTRUNC);
        expect(world.until(more, EPOLLIN)).toBe(EPOLLHUP);
      }
      // The next number is free: nothing was opened.
      expect(await opens(driven, 'eventfd', 0, 0)).toBe(fd + 1);
    } finally {
      world.end();
    }
  });
});

/** Messages between sessions, with a descriptor in them: SCM_RIGHTS of `unix(7)`. */
import { EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '#host/abi/epoll.js';
import type { Handle } from '#host/kernel/kernel.js';
import { expect, test } from 'vitest';

import { startThread, stopped } from '../native/threads.js';
import {
  MSG_TRUNC,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  type World,
  everyKernel,
  ok,
  said,
} from './world.js';

const NONE = -1;
const NO_BUFFERS = new Uint32Array();

/** Sends one message of one buffer. */
function send(world: World, channel: Handle, text: string, passed = NONE, header = 0) {
  const bytes = new TextEncoder().encode(text);
  const iovs = Uint32Array.from([0, bytes.length]);
  return said(world.kernel.channelSend(channel, bytes, iovs, 1, header, passed));
}

interface Message {
  readonly text: string;
  readonly header: number;
  readonly passed: Handle;
  readonly flags: number;
}

/** Receives one message into one buffer. */
function receive(world: World, channel: Handle, room = 1000): Message | number | string {
  const bytes = new Uint8Array(room);
  const info = new Uint8Array(12);
  const iovs = Uint32Array.from([0, room]);
  const result = said(world.kernel.channelRecv(channel, bytes, iovs, 1, info));
  if (typeof result === 'string') return result;
  const view = new DataView(info.buffer);
  return {
    text: new TextDecoder().decode(bytes.subarray(0, result)),
    header: view.getUint32(0, true),
    passed: view.getInt32(4, true),
    flags: view.getUint32(8, true),
  };
}

/** Sends a descriptor from one end to the other; the handle it has there. */
function passOver(world: World, passed: Handle): Handle {
  const { near, far } = world.socketpair(SOCK_SEQPACKET);
  send(world, near, '', passed);
  const message = receive(world, far);
  if (typeof message !== 'object') throw new Error(`nothing came: ${message}`);
  return message.passed;
}

everyKernel('channels', (world) => {
  test('carry whole messages in their order, each with its header', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    expect(receive(world(), far)).toBe('EAGAIN');
    expect(send(world(), near, 'first', NONE, 1)).toBe(5);
    expect(send(world(), near, '', NONE, 0xfedc_ba98)).toBe(0);
    expect(receive(world(), far)).toEqual({ text: 'first', header: 1, passed: NONE, flags: 0 });
    expect(receive(world(), far)).toEqual({
      text: '',
      header: 0xfedc_ba98,
      passed: NONE,
      flags: 0,
    });
    expect(receive(world(), far)).toBe('EAGAIN');
  });

  test('gather and scatter', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    const bytes = new TextEncoder().encode('abcdef............');
    const { kernel } = world();
    expect(kernel.channelSend(near, bytes, Uint32Array.from([4, 2, 0, 0, 0, 3]), 3, 0, NONE)).toBe(
      5,
    );
    const info = new Uint8Array(12);
    expect(kernel.channelRecv(far, bytes, Uint32Array.from([10, 1, 14, 4]), 2, info)).toBe(5);
    expect(new TextDecoder().decode(bytes)).toBe('abcdef....e...fabc');
  });

  test('lose what there is no room for, and say so', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    const passed = ok(world().kernel.eventfd(3, 0));
    send(world(), near, 'too long', passed, 7);
    send(world(), near, 'next');
    const message = receive(world(), far, 3);
    expect(message).toMatchObject({ text: 'too', header: 7, flags: MSG_TRUNC });
    expect(receive(world(), far)).toMatchObject({ text: 'next', flags: 0 });
  });

  test('that are full are EAGAIN, and nothing of the message is sent', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    const text = 'x'.repeat(10_000);
    let sent = 0;
    while (send(world(), near, text) === text.length) sent++;
    expect(send(world(), near, text)).toBe('EAGAIN');
    expect(world().eventsOf(near, EPOLLOUT)).toBe(0);
    for (let left = sent; left > 0; left--) {
      expect(receive(world(), far, 10_000)).toMatchObject({ text, flags: 0 });
    }
    expect(receive(world(), far)).toBe('EAGAIN');
    expect(world().eventsOf(near, EPOLLOUT)).toBe(EPOLLOUT);
  });

  test('whose other end is gone are EPIPE both ways, once they are empty', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    send(world(), near, '');
    ok(world().kernel.close(near));
    const events = EPOLLIN | EPOLLRDHUP | EPOLLHUP;
    expect(world().eventsOf(far, EPOLLIN | EPOLLRDHUP)).toBe(events);
    expect(receive(world(), far)).toMatchObject({ text: '', header: 0 });
    expect(receive(world(), far)).toBe('EPIPE');
    expect(send(world(), far, 'x')).toBe('EPIPE');
  });

  test('B8 take ranges that lie in memory, and no more than 1,023 buffers', () => {
    const { kernel } = world();
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    const bytes = new Uint8Array(8);
    const outside = Uint32Array.from([1, 8]);
    const many = new Uint32Array(2 * 1024);
    const info = new Uint8Array(12);
    expect(said(kernel.channelSend(near, bytes, outside, 1, 0, NONE))).toBe('EFAULT');
    expect(said(kernel.channelSend(near, bytes, outside, 2, 0, NONE))).toBe('EFAULT');
    expect(said(kernel.channelSend(near, bytes, many, 1024, 0, NONE))).toBe('EINVAL');
    expect(said(kernel.channelSend(near, bytes, many, 1023, 0, NONE))).toBe(0);
    expect(said(kernel.channelRecv(far, bytes, outside, 1, info))).toBe('EFAULT');
    expect(said(kernel.channelRecv(far, bytes, many, 1024, info))).toBe('EINVAL');
    expect(said(kernel.channelRecv(far, bytes, many, 1, info.subarray(1)))).toBe('EFAULT');
    expect(said(kernel.channelRecv(far, bytes, many, 1023, info))).toBe(0);
  });

  test('B23 a passed handle that is closed is EBADF, and nothing is sent', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    const closed = ok(world().kernel.eventfd(0, 0));
    ok(world().kernel.close(closed));
    expect(send(world(), near, 'x', closed)).toBe('EBADF');
    expect(send(world(), near, 'x', -2)).toBe('EBADF');
    expect(receive(world(), far)).toBe('EAGAIN');
  });

  test('are pairs of seqpackets and nothing else', () => {
    const { kernel, room } = world();
    const event = ok(kernel.eventfd(0, 0));
    expect(send(world(), event, 'x')).toBe('ENOTSOCK');
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    // A message that no channel has sent has no header.
    world().send(near, 'short');
    expect(said(kernel.channelRecv(far, room, NO_BUFFERS, 0, new Uint8Array(12)))).toBe('EPROTO');
  });

  test('a channel can itself be passed, with what is under way in it', () => {
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    send(world(), near, 'waiting');
    const there = passOver(world(), far);
    ok(world().kernel.close(far));
    expect(receive(world(), there)).toMatchObject({ text: 'waiting' });
    expect(send(world(), there, 'answer')).toBe(6);
    expect(receive(world(), near)).toMatchObject({ text: 'answer' });
  });
});

everyKernel('descriptors that were passed', (world) => {
  test('are new handles to the same thing; the sender keeps its own', () => {
    const { kernel } = world();
    const near = ok(kernel.eventfd(3, 0));
    const far = passOver(world(), near);
    expect(far).not.toBe(near);
    expect(kernel.read(far, world().room, 0, 8)).toBe(8);
    expect(said(kernel.read(near, world().room, 0, 8))).toBe('EAGAIN');
    ok(kernel.close(near));
    expect(said(kernel.read(far, world().room, 0, 8))).toBe('EAGAIN');
  });

  test('work in the thread and session of the receiver after those of the sender', async () => {
    const { kernel } = world();
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    const ends = world().socketpair(SOCK_STREAM);
    const thread = startThread(
      (native, data, ready) => {
        const session = native.sessionOpen();
        native.sessionEnter(session);
        ready();
        const bytes = new Uint8Array(100);
        const info = new Uint8Array(12);
        native.poll(data.channel, 1, -1, 0);
        native.channelRecv(data.channel, bytes, new Uint32Array(), 0, info);
        const socket = new DataView(info.buffer).getInt32(4, true);
        native.poll(socket, 1, -1, 0);
        const length = native.recv(socket, bytes, 0, 100, 0);
        const results = [length, native.send(socket, bytes, 0, length, 0)];
        return [...results, native.sessionClose(session), native.recv(socket, bytes, 0, 1, 0)];
      },
      { channel: far },
    );
    await thread.ready;
    send(world(), near, '', ends.far);
    ok(kernel.close(ends.far));
    world().send(ends.near, 'echo');
    expect((await thread.outcome).map((result) => said(result))).toEqual([4, 4, 1, 'EBADF']);
    world().until(ends.near, EPOLLIN);
    expect([world().recv(ends.near), world().recv(ends.near)]).toEqual(['echo', '']);
    await stopped(thread);
  });

  test('E1 that the sender closes leave its epolls, and stay in the receiver’s', () => {
    const { kernel } = world();
    const ends = world().socketpair(SOCK_STREAM);
    const [ours, theirs] = [world().epoll(), world().epoll()];
    ok(world().add(ours, ends.near, EPOLLIN));
    const there = passOver(world(), ends.near);
    ok(world().add(theirs, there, EPOLLIN));
    ok(kernel.close(ends.near));
    world().send(ends.far, 'x');
    expect(world().readyHandles(ours)).toEqual([]);
    expect(world().readyHandles(theirs)).toEqual([there]);
  });

  test('E1 that the receiver closes leave its epolls, and stay in the sender’s', () => {
    const { kernel } = world();
    const ends = world().socketpair(SOCK_STREAM);
    const [ours, theirs] = [world().epoll(), world().epoll()];
    ok(world().add(ours, ends.near, EPOLLIN));
    const there = passOver(world(), ends.near);
    ok(world().add(theirs, there, EPOLLIN));
    ok(kernel.close(there));
    world().send(ends.far, 'x');
    expect(world().readyHandles(ours)).toEqual([ends.near]);
    expect(world().readyHandles(theirs)).toEqual([]);
  });

  test('E1 that went on from the receiver are forgotten by each that closes them', () => {
    const { kernel } = world();
    const event = ok(kernel.eventfd(1, 0));
    const second = passOver(world(), event);
    const third = passOver(world(), second);
    const epolls = [event, second, third].map((handle) => {
      const epoll = world().epoll();
      ok(world().add(epoll, handle, EPOLLIN));
      return epoll;
    });
    ok(kernel.close(second));
    ok(kernel.close(event));
    expect(epolls.map((epoll) => world().readyHandles(epoll))).toEqual([[], [], [third]]);
  });

  test('E1 an epoll that was passed is still asked to forget', () => {
    const { kernel } = world();
    const epoll = world().epoll();
    const { near, far } = world().socketpair(SOCK_SEQPACKET);
    ok(world().add(epoll, near, EPOLLOUT));
    const there = passOver(world(), epoll);
    ok(kernel.close(epoll));
    expect(world().readyHandles(there)).toEqual([near]);
    const kept = passOver(world(), near);
    ok(kernel.close(near));
    expect(world().readyHandles(there)).toEqual([]);
    ok(world().add(there, kept, EPOLLOUT));
    expect(world().readyHandles(there)).toEqual([kept]);
    ok(kernel.close(far));
  });

  test('are closed with a channel that nobody received from', () => {
    const { kernel } = world();
    const channel = world().socketpair(SOCK_SEQPACKET);
    const ends = world().socketpair(SOCK_STREAM);
    send(world(), channel.near, '', ends.far);
    ok(kernel.close(ends.far));
    expect(world().recv(ends.near)).toBe('EAGAIN');
    ok(kernel.close(channel.near));
    ok(kernel.close(channel.far));
    world().until(ends.near, EPOLLIN);
    expect(world().recv(ends.near)).toBe('');
  });
});

import os from 'node:os';

import { expect, test } from 'vitest';

import { KERNEL_CALLS } from '#host/kernel/calls.js';
import { CONFINEMENT_CALLS } from '#host/kernel/confine.js';
import { openNativeKernel } from '#host/kernel/native.js';

const addon = openNativeKernel();

test('the addon provides exactly the calls of the port, those that confine, two probes, and a wish', () => {
  const provided = Object.keys(addon).toSorted();
  const probes = ['abiLayout', 'errnoNames', 'collectGarbage'];
  const calls = [...Object.keys(KERNEL_CALLS), ...CONFINEMENT_CALLS];
  expect(provided).toEqual([...calls, ...probes].toSorted());
});

test('errnoNames agrees with the constants that Node knows', () => {
  const names: Record<string, number> = JSON.parse(addon.errnoNames());
  for (const [name, number] of Object.entries(os.constants.errno)) {
    expect([name, names[name]]).toEqual([name, number]);
  }
  expect(names['ENOTSUP']).toBe(names['EOPNOTSUPP']);
});

test('abiLayout has the sizes that abi.md gives', () => {
  const layout: Record<string, { size: number; align: number; fields: Record<string, number> }> =
    JSON.parse(addon.abiLayout());
  const sizes = Object.fromEntries(
    Object.entries(layout).map(([name, { size, align }]) => [name, `${size}/${align}`]),
  );
  expect(sizes).toEqual({
    iovec: '8/4',
    prestat: '8/4',
    fdstat: '24/8',
    filestat: '64/8',
    dirent: '24/8',
    subscription: '48/8',
    event: '32/8',
    timespec: '16/8',
    itimerspec: '32/8',
    epoll_event: '16/8',
    signalfd_siginfo: '128/8',
    wasi_address: '8/4',
    wasi_address_v2: '128/2',
    timeval: '16/8',
    linger: '8/4',
    addrinfo: '28/4',
    sockaddr: '12/4',
    sockaddr_in: '16/4',
    sockaddr_in6: '28/4',
    sockaddr_un: '110/2',
    msghdr: '28/4',
    mmsghdr: '32/4',
    submission: '20/4',
    ip_mreqn: '12/4',
    ipv6_mreq: '20/4',
    linux_dirent64: '24/8',
    status: '64/8',
    unstable_filestat: '56/8',
    unstable_subscription: '56/8',
  });
  expect(layout['subscription']?.fields).toEqual({
    userdata: 0,
    tag: 8,
    'clock.id': 16,
    'clock.timeout': 24,
    'clock.precision': 32,
    'clock.flags': 40,
    'fd_readwrite.fd': 16,
  });
});

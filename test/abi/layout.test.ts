/**
 * The structs of guest memory, from three sources: the host's tables, the C++ of the addon, and
 * AssemblyScript, which a guest prints.
 */
import { EpollEvent, Itimerspec, SignalfdSiginfo, Timespec } from '#host/abi/epoll.js';
import { Dirent, Filestat, LinuxDirent64, Prestat, Status } from '#host/abi/files.js';
import type { Field, Field64 } from '#host/abi/layout.js';
import { Event, Fdstat, Iovec, Subscription } from '#host/abi/preview1.js';
import { UnstableFilestat, UnstableSubscription } from '#host/abi/unstable.js';
import {
  IpMreqn,
  Ipv6Mreq,
  Mmsghdr,
  Msghdr,
  SockaddrIn,
  SockaddrIn6,
  SockaddrUn,
} from '#host/abi/socket.js';
import { Submission } from '#host/abi/submit.js';
import { Address, AddressV2, Addrinfo, Linger, Sockaddr, Timeval } from '#host/abi/wasmedge.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { describe, expect, test } from 'vitest';

import { sandpoll } from '../support/cli.js';
import { ROOT } from '../support/sources.js';

type Fields = Readonly<Record<string, number>>;

interface NativeStruct {
  readonly size: number;
  readonly align: number;
  readonly fields: Fields;
}

/** Each struct of the host, its name in C++, and its fields' names there where they differ. */
const STRUCTS = [
  ['Iovec', Iovec, 'iovec', {}],
  [
    'Fdstat',
    Fdstat,
    'fdstat',
    { rightsBase: 'rights_base', rightsInheriting: 'rights_inheriting' },
  ],
  [
    'Subscription',
    Subscription,
    'subscription',
    {
      clockId: 'clock.id',
      clockTimeout: 'clock.timeout',
      clockPrecision: 'clock.precision',
      clockFlags: 'clock.flags',
      fd: 'fd_readwrite.fd',
    },
  ],
  ['Event', Event, 'event', { nbytes: 'fd_readwrite.nbytes', flags: 'fd_readwrite.flags' }],
  ['Filestat', Filestat, 'filestat', {}],
  [
    'Dirent',
    Dirent,
    'dirent',
    { next: 'd_next', ino: 'd_ino', namlen: 'd_namlen', type: 'd_type' },
  ],
  ['Prestat', Prestat, 'prestat', { nameLen: 'pr_name_len' }],
  [
    'LinuxDirent64',
    LinuxDirent64,
    'linux_dirent64',
    { ino: 'd_ino', off: 'd_off', reclen: 'd_reclen', type: 'd_type', name: 'd_name' },
  ],
  ['Status', Status, 'status', {}],
  ['UnstableFilestat', UnstableFilestat, 'unstable_filestat', {}],
  [
    'UnstableSubscription',
    UnstableSubscription,
    'unstable_subscription',
    {
      clockIdentifier: 'clock.identifier',
      clockId: 'clock.id',
      clockTimeout: 'clock.timeout',
      clockPrecision: 'clock.precision',
      clockFlags: 'clock.flags',
      fd: 'fd_readwrite.fd',
    },
  ],
  ['EpollEvent', EpollEvent, 'epoll_event', {}],
  ['Timespec', Timespec, 'timespec', { seconds: 'tv_sec', nanoseconds: 'tv_nsec' }],
  [
    'Itimerspec',
    Itimerspec,
    'itimerspec',
    {
      intervalSeconds: 'it_interval.tv_sec',
      intervalNanoseconds: 'it_interval.tv_nsec',
      valueSeconds: 'it_value.tv_sec',
      valueNanoseconds: 'it_value.tv_nsec',
    },
  ],
  ['Address', Address, 'wasi_address', {}],
  ['AddressV2', AddressV2, 'wasi_address_v2', {}],
  ['Timeval', Timeval, 'timeval', { seconds: 'tv_sec', microseconds: 'tv_usec' }],
  ['Linger', Linger, 'linger', { onoff: 'l_onoff', lingerSeconds: 'l_linger' }],
  [
    'SignalfdSiginfo',
    SignalfdSiginfo,
    'signalfd_siginfo',
    { signo: 'ssi_signo', errno: 'ssi_errno', code: 'ssi_code', pid: 'ssi_pid', uid: 'ssi_uid' },
  ],
  [
    'Addrinfo',
    Addrinfo,
    'addrinfo',
    {
      flags: 'ai_flags',
      family: 'ai_family',
      socktype: 'ai_socktype',
      protocol: 'ai_protocol',
      addrlen: 'ai_addrlen',
      addr: 'ai_addr',
      canonname: 'ai_canonname',
      canonnameLen: 'ai_canonname_len',
      next: 'ai_next',
    },
  ],
  [
    'Sockaddr',
    Sockaddr,
    'sockaddr',
    { family: 'sa_family', dataLen: 'sa_data_len', data: 'sa_data' },
  ],
  [
    'SockaddrIn',
    SockaddrIn,
    'sockaddr_in',
    { family: 'sin_family', port: 'sin_port', addr: 'sin_addr' },
  ],
  [
    'SockaddrIn6',
    SockaddrIn6,
    'sockaddr_in6',
    {
      family: 'sin6_family',
      port: 'sin6_port',
      flowinfo: 'sin6_flowinfo',
      addr: 'sin6_addr',
      scopeId: 'sin6_scope_id',
    },
  ],
  ['SockaddrUn', SockaddrUn, 'sockaddr_un', { family: 'sun_family', path: 'sun_path' }],
  [
    'Submission',
    Submission,
    'submission',
    { opcode: 'opcode', fd: 'fd', buf: 'buf', len: 'len', result: 'result' },
  ],
  [
    'Msghdr',
    Msghdr,
    'msghdr',
    {
      name: 'msg_name',
      namelen: 'msg_namelen',
      iov: 'msg_iov',
      iovlen: 'msg_iovlen',
      control: 'msg_control',
      controllen: 'msg_controllen',
      flags: 'msg_flags',
    },
  ],
  ['Mmsghdr', Mmsghdr, 'mmsghdr', { hdr: 'msg_hdr', len: 'msg_len' }],
  [
    'IpMreqn',
    IpMreqn,
    'ip_mreqn',
    { multiaddr: 'imr_multiaddr', address: 'imr_address', ifindex: 'imr_ifindex' },
  ],
  [
    'Ipv6Mreq',
    Ipv6Mreq,
    'ipv6_mreq',
    { multiaddr: 'ipv6mr_multiaddr', ifindex: 'ipv6mr_interface' },
  ],
] as const;

const native: Readonly<Record<string, NativeStruct>> = JSON.parse(openNativeKernel().abiLayout());

/** Offsets by field name, as the host has them. */
function hostFields(struct: object): Fields {
  const fields = Object.entries(struct).filter(([, value]) => typeof value === 'object');
  return Object.fromEntries(
    fields.map(([name, field]) => [name, (field as Field | Field64).offset]),
  );
}

/** Lines of `Struct.field offset`, by struct. */
async function assemblyScriptFields(): Promise<ReadonlyMap<string, Fields>> {
  const { stdout } = await sandpoll([`${ROOT}test/guests/as/build/layout.wasm`]);
  const structs = new Map<string, Record<string, number>>();
  for (const [, struct, field, offset] of stdout.matchAll(/^(\w+)\.(\w+) (\d+)$/gm)) {
    structs.set(struct, { ...structs.get(struct), [field]: Number(offset) });
  }
  return structs;
}

const assemblyScript = await assemblyScriptFields();

describe.each(STRUCTS)('%s', (name, struct, nativeName, renamed) => {
  const fields = hostFields(struct);

  test('has the size, the alignment and the offsets of C++', () => {
    const names: Readonly<Record<string, string>> = renamed;
    const inC = Object.fromEntries(
      Object.entries(fields).map(([field, offset]) => [names[field] ?? field, offset]),
    );
    const { SIZE: size, ALIGN: align } = struct;
    expect({ size, align, fields: inC }).toEqual(native[nativeName]);
  });

  test('has the offsets of AssemblyScript', () => {
    expect(fields).toEqual(assemblyScript.get(name));
  });
});

test('every struct that AssemblyScript declares is compared', () => {
  expect([...assemblyScript.keys()].toSorted()).toEqual(STRUCTS.map(([name]) => name).toSorted());
});

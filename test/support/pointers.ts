/** What the pointers among the arguments of imported functions point to. */
import { Itimerspec } from '#host/abi/epoll.js';
import { Filestat, Prestat } from '#host/abi/files.js';
import { Mmsghdr, Msghdr, SockaddrIn } from '#host/abi/socket.js';
import { Submission } from '#host/abi/submit.js';
import { UnstableFilestat, UnstableSubscription } from '#host/abi/unstable.js';
import { Addrinfo } from '#host/abi/wasmedge.js';
import type { ParameterKind } from '#host/imports/call.js';

import type { NamedRow } from './driver.js';

/** Bytes behind a `ptr`, by parameter name. */
const POINTED_BYTES: Readonly<Record<string, number>> = {
  iovs: 8,
  ri_data: 8,
  si_data: 8,
  address: 8,
  in: 48,
  out: 32,
  event: 16,
  events: 16,
  timeout: 16,
  value: 4,
  value_len: 4,
  'result.value': 4,
  'result.stat': 24,
  addr: SockaddrIn.SIZE,
  'result.addr': SockaddrIn.SIZE,
  addrlen: 4,
  msg: Msghdr.SIZE,
  msgvec: Mmsghdr.SIZE,
  submissions: Submission.SIZE,
  node: 9,
  service: 2,
  hints: Addrinfo.SIZE,
  res: 4,
  new: Itimerspec.SIZE,
  old: Itimerspec.SIZE,
  'result.current': Itimerspec.SIZE,
  mask: 8,
  'result.fds': 8,
  buf: 8,
  path: 4,
  old_path: 4,
  new_path: 4,
  'result.prestat': Prestat.SIZE,
  'result.buf': Filestat.SIZE,
};

/** Where preview0 has another layout. */
const UNSTABLE_BYTES: Readonly<Record<string, number>> = {
  in: UnstableSubscription.SIZE,
  'result.buf': UnstableFilestat.SIZE,
};

export function isPointer(name: string, kind: ParameterKind): boolean {
  return kind === 'ptr' || kind.startsWith('*') || name === 'ptr';
}

/** Bytes that a row touches behind a pointer; throws for one that these tests do not know. */
export function pointedBytes(
  { listBytes }: { readonly listBytes: Readonly<Record<string, number>> },
  { module }: NamedRow,
  name: string,
  kind: ParameterKind,
): number {
  const result = { '*u16': 2, '*u32': 4, '*u64': 8 }[kind as string];
  const unstable = module === 'wasi_unstable' ? UNSTABLE_BYTES[name] : undefined;
  const bytes = result ?? unstable ?? listBytes[name] ?? POINTED_BYTES[name];
  if (bytes === undefined) throw new Error(`say in pointers.ts what ${name} points to`);
  return bytes;
}

/**
 * A guest with one descriptor of each kind, and for every imported function arguments with which
 * it works: what is hostile in a test is then the one argument it changes.
 */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';

import {
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  EPOLLIN,
  EPOLL_CTL_ADD,
  EPOLL_CTL_MOD,
} from '#host/abi/epoll.js';
import { Rights } from '#host/abi/preview1.js';
import { MSG_PEEK, Msghdr, SockaddrIn } from '#host/abi/socket.js';
import { AF_INET, AF_UNIX } from '#host/address.js';
import { createChannel } from '#host/index.js';

import { type Call, type Driven, type DrivenOptions, LOOPBACK, withDriven } from './driven.js';
import { PAGE_BYTES, type NamedRow, type Shape, rowsOf } from './driver.js';
import { withFiles } from './files.js';
import { isPointer } from './pointers.js';

/** Guests of these tests have three pages: the driver's, the arguments', and one of markers. */
export const MEMORY_END = 3 * PAGE_BYTES;
export const MARKERS = 2 * PAGE_BYTES;
export const MARKER = 0xa5;

/** Where the arguments lie, from the second page on. */
const BASE = PAGE_BYTES;
const IOVS = 0x100;
const DATA = 0x200;
const ADDRESS = 0x400;
const ADDRESS_BUF = 0x500;
const SUBSCRIPTION = 0x600;
const EVENT = 0x700;
const TIMESPEC = 0x800;
const LENGTH = 0x900;
const SOCKADDR = 0xa00;
const ADDRLEN = 0xb00;
const MSG = 0xc00;
const NODE = 0xd00;
const SERVICE = 0xd20;
const HINTS = 0xd40;
const RES = 0xd60;
const ITIMERSPEC = 0xd80;
const MASK = 0xdc0;
const NAME = 0xdd0;
const LINK = 0xdd8;
const MISSING = 0xde0;
const SUBMISSION = 0xdf0;
const OUT = 0x1000;
/** Bytes of each result's slot, and where the slots end. */
const SLOT_BYTES = 256;
export const OUT_BEGIN = BASE + OUT;
export const OUT_END = OUT_BEGIN + 16 * SLOT_BYTES;

export const PEER_BYTES = 64;

/** The descriptor of the directory, in which there are a file and a symbolic link. */
export const DIRECTORY = 3;
/** Names of four bytes each, as the directory's own for the guest. */
const GUEST_NAME = '/dir';
const NAMES = { [NAME]: 'file', [LINK]: 'link', [MISSING]: 'gone' } as const;
const CONTENTS = 'contents';

export interface Scene {
  readonly listener: number;
  /** The file of the directory, open for both. */
  readonly file: number;
  readonly stream: number;
  readonly datagram: number;
  readonly epoll: number;
  readonly timer: number;
  /** An eventfd that stays readable: a semaphore of many. */
  readonly event: number;
  /** A channel whose other end nobody reads. */
  readonly channel: number;
  /** Bytes of the pointers and of the text that args_get and environ_get write. */
  readonly listBytes: Readonly<Record<string, number>>;
}

/** Pointers that are read, by parameter name. */
const INPUTS: Readonly<Record<string, number>> = {
  iovs: IOVS,
  ri_data: IOVS,
  si_data: IOVS,
  address: ADDRESS,
  in: SUBSCRIPTION,
  event: EVENT,
  timeout: TIMESPEC,
  value: DATA,
  value_len: LENGTH,
  addr: SOCKADDR,
  addrlen: ADDRLEN,
  msg: MSG,
  submissions: SUBMISSION,
  msgvec: MSG,
  node: NODE,
  service: SERVICE,
  hints: HINTS,
  res: RES,
  new: ITIMERSPEC,
  mask: MASK,
  path: NAME,
  old_path: NAME,
  new_path: NAME,
};

/** Where one name means several things: by call and parameter; 0 for a result's slot. */
const CALL_INPUTS: Readonly<Record<string, number>> = {
  'path_readlink path': LINK,
  'path_unlink_file path': MISSING,
  'path_remove_directory path': MISSING,
  'fd_prestat_dir_name path': 0,
};

const SCALARS: Readonly<Record<string, number | bigint>> = {
  iovs_len: 1,
  ri_data_len: 1,
  si_data_len: 1,
  buf_len: 8,
  len: 8,
  addrlen: SockaddrIn.SIZE,
  type: 1,
  node_len: 9,
  service_len: 2,
  // PEEK: a call leaves all as it found it.
  ri_flags: 1,
  op: EPOLL_CTL_MOD,
  maxevents: 1,
  vlen: 1,
  nsubscriptions: 1,
  nsubmissions: 1,
  address_family: 1,
  sock_type: 2,
  port: 1,
  backlog: 1,
  id: 1,
  value_len: 4,
  how: 3,
  path_len: 4,
  old_path_len: 4,
  new_path_len: 4,
  fs_rights_base: -1n,
  fs_rights_inheriting: -1n,
};

/** Where one name means several things: by call and parameter. */
const CALL_SCALARS: Readonly<Record<string, number>> = {
  // A port of the kernel's choosing: low ones need rights.
  'sock_bind port': 0,
  'socket domain': AF_INET,
  'socketpair domain': AF_UNIX,
  'getsockopt level': 1,
  'getsockopt name': 2,
  'setsockopt level': 1,
  'setsockopt name': 2,
  'recv flags': MSG_PEEK,
  'recvfrom flags': MSG_PEEK,
  'recvmsg flags': MSG_PEEK,
  'recvmmsg flags': MSG_PEEK,
  'shutdown how': 2,
  // No descriptor goes along.
  'channel_send passed': -1,
};

/** What ends the guest or takes no pointer to anything; tested on their own. */
const APART = new Set(['proc_exit', 'abort', 'seed', 'trace']);
/** Answers that need no look at any argument. */
export const UNREAD = ['proc_raise'];

/**
 * Every imported function, but for those that end the guest and AssemblyScript's own; of preview0
 * those that are not preview1's as well.
 */
export function hostileRows(shape: Shape): NamedRow[] {
  const elsewhere = shape === 'unstable' ? rowsOf('long') : new Map<string, NamedRow>();
  return [...rowsOf(shape).values()].filter(
    ({ row }) => !APART.has(row.name) && elsewhere.get(row.name)?.row !== row,
  );
}

/** Calls on files; on directories are all whose name begins with path_, and these. */
const FILES_OWN = new Set([
  'fd_advise',
  'fd_allocate',
  'fd_datasync',
  'fd_filestat_get',
  'fd_filestat_set_size',
  'fd_filestat_set_times',
  'fd_pread',
  'fd_pwrite',
  'fd_seek',
  'fd_sync',
  'fd_tell',
]);
const DIRECTORIES_OWN = new Set(['fd_readdir', 'fd_prestat_get', 'fd_prestat_dir_name']);
const LISTENERS_OWN = new Set(['sock_accept', 'sock_listen', 'accept4', 'listen']);

function descriptor(scene: Scene, call: string, parameter: string): number {
  if (parameter === 'epfd') return scene.epoll;
  if (LISTENERS_OWN.has(call)) return scene.listener;
  if (FILES_OWN.has(call)) return scene.file;
  if (DIRECTORIES_OWN.has(call) || call.startsWith('path_')) return DIRECTORY;
  if (call.startsWith('timerfd_')) return scene.timer;
  if (call.startsWith('channel_')) return scene.channel;
  if (call === 'epoll_ctl' || call === 'fd_read' || call === 'fd_write') return scene.event;
  return scene.stream;
}

function scalar(call: string, parameter: string): number | bigint {
  return CALL_SCALARS[`${call} ${parameter}`] ?? SCALARS[parameter] ?? 0;
}

/** Arguments with which a row works, all pointers `shift` bytes off their alignment. */
export function validArguments(scene: Scene, { row }: NamedRow, shift = 0): (number | bigint)[] {
  return Object.entries(row.parameters).map(([name, kind], position) => {
    if (kind === 'fd') return descriptor(scene, row.name, name);
    if (!isPointer(name, kind)) return scalar(row.name, name);
    const input = CALL_INPUTS[`${row.name} ${name}`] ?? INPUTS[name] ?? 0;
    return BASE + shift + (input === 0 ? OUT + SLOT_BYTES * position : input);
  });
}

/** The slot of the result at `position` of a row's parameters. */
export function resultAt(position: number, shift = 0): number {
  return BASE + shift + OUT + SLOT_BYTES * position;
}

/** Calls that fill the results' slots and the last page with markers. */
export const FILL_MARKERS: readonly Call[] = [
  ['memory.fill', OUT_BEGIN, MARKER, OUT_END - OUT_BEGIN],
  ['memory.fill', MARKERS, MARKER, MEMORY_END - MARKERS],
];

/** Calls that answer −1 each as long as all markers stand. */
export const LOOK_AT_MARKERS: readonly Call[] = [
  ['dirty', OUT_BEGIN, OUT_END, MARKER],
  ['dirty', MARKERS, MEMORY_END, MARKER],
];

/** Writes what the arguments point to. */
export async function writeInputs(driven: Driven, scene: Scene, shift = 0): Promise<void> {
  const base = BASE + shift;
  const bytes = new Uint8Array(MISSING + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(IOVS, base + DATA, true);
  view.setUint32(IOVS + 4, 8, true);
  view.setBigUint64(DATA, 1n, true);
  view.setUint32(ADDRESS, base + ADDRESS_BUF, true);
  view.setUint32(ADDRESS + 4, 128, true);
  view.setUint16(ADDRESS_BUF, 1, true);
  bytes.set([127, 0, 0, 1], ADDRESS_BUF + 2);
  view.setBigUint64(SUBSCRIPTION, 0xfedc_ba98_7654_3210n, true);
  view.setUint8(SUBSCRIPTION + 8, 1);
  view.setUint32(SUBSCRIPTION + 16, scene.event, true);
  view.setUint32(EVENT, EPOLLIN, true);
  view.setBigUint64(EVENT + 8, 0xfedc_ba98_7654_3210n, true);
  view.setUint32(LENGTH, 4, true);
  SockaddrIn.family.set(view, SOCKADDR, AF_INET);
  bytes.set([127, 0, 0, 1], SOCKADDR + SockaddrIn.addr.offset);
  view.setUint32(ADDRLEN, SockaddrIn.SIZE, true);
  Msghdr.iov.set(view, MSG, base + IOVS);
  Msghdr.iovlen.set(view, MSG, 1);
  bytes.set(new TextEncoder().encode('127.0.0.1'), NODE);
  bytes.set(new TextEncoder().encode('80'), SERVICE);
  for (const [at, name] of Object.entries(NAMES)) {
    bytes.set(new TextEncoder().encode(name), Number(at));
  }
  await driven.write(base, bytes);
}

async function opened(driven: Driven, name: string, ...args: number[]): Promise<number> {
  const out = resultAt(0);
  const errno = await driven.call(name, ...args, out);
  if (errno !== 0) throw new Error(`${name} of the scene failed with ${errno}`);
  return driven.u32(out);
}

/** What a guest for a scene is started with: loopback, both ends of a channel, a directory. */
export function sceneOptions(folder: string, more: DrivenOptions = {}): DrivenOptions {
  const [channel, other] = createChannel();
  const dirs = [{ host: folder, guest: GUEST_NAME, readOnly: false }];
  return { net: LOOPBACK, ...more, dirs, channels: { channel, other } };
}

/** Runs `body` with a folder for a scene, and removes it. */
export function withSceneFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  return withFiles({ [NAMES[NAME]]: CONTENTS }, (folder) => {
    symlinkSync(NAMES[NAME], join(folder, NAMES[LINK]));
    return body(folder);
  });
}

/** `withDriven` of a guest for which the scene is set. */
export function withScene(
  options: DrivenOptions,
  body: (driven: Driven, scene: Scene, folder: string) => Promise<void>,
): Promise<void> {
  return withSceneFolder((folder) =>
    withDriven(sceneOptions(folder, options), async (driven) => {
      await body(driven, await setScene(driven), folder);
    }),
  );
}

async function listBytes(driven: Driven): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const list of ['args', 'environ']) {
    await driven.call(`${list}_sizes_get`, resultAt(0), resultAt(1));
    sizes[list] = 4 * (await driven.u32(resultAt(0)));
    sizes[`${list}_buf`] = await driven.u32(resultAt(1));
  }
  return sizes;
}

/**
 * Sets the scene: all descriptors NONBLOCK, the stream with `PEER_BYTES` unread bytes. The guest
 * was started with `sceneOptions`.
 */
export async function setScene(driven: Driven): Promise<Scene> {
  const { fd: stream, peer } = await driven.accept(0);
  const { listener } = driven;
  // Both ways, to what the name says: `writeInputs` has not been here yet.
  await driven.write(BASE + NAME, new TextEncoder().encode(NAMES[NAME]));
  const both = Rights.FD_READ | Rights.FD_WRITE;
  const path = [BASE + NAME, NAMES[NAME].length];
  const scene: Scene = {
    listener,
    stream,
    file: await opened(driven, 'path_open', DIRECTORY, 0, ...path, 0, both, 0, 0),
    datagram: await opened(driven, 'sock_open', 1, 1),
    epoll: await opened(driven, 'epoll_create1', 0),
    timer: await opened(driven, 'timerfd_create', 1, 0),
    event: await opened(driven, 'eventfd', 1_000_000, EFD_SEMAPHORE | EFD_NONBLOCK),
    channel: listener + 1,
    listBytes: await listBytes(driven),
  };
  await writeInputs(driven, scene);
  peer.write(Buffer.alloc(PEER_BYTES, 'x'));
  // Blocking until the first byte is there.
  await driven.call('sock_recv', stream, BASE + IOVS, 1, 1, resultAt(0), resultAt(1));
  await driven.write(BASE + DATA, Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]));
  for (const fd of [listener, stream, scene.datagram, scene.channel]) {
    await driven.call('fd_fdstat_set_flags', fd, 4);
  }
  await driven.call('epoll_ctl', scene.epoll, EPOLL_CTL_ADD, scene.event, BASE + EVENT);
  await driven.calls(FILL_MARKERS);
  return scene;
}

/** Structs of `wasi_unstable` (preview0's typenames.witx) that preview1 has laid out anew. */
import { Status, filetypeOfMode } from './files.js';
import { struct, u16, u32, u64, u8 } from './layout.js';
import { Eventtype, Subscription } from './preview1.js';

/** `nlink` has 32 bits. */
export const UnstableFilestat = struct(56, 8, {
  dev: u64(0),
  ino: u64(8),
  filetype: u8(16),
  nlink: u32(20),
  size: u64(24),
  atim: u64(32),
  mtim: u64(40),
  ctim: u64(48),
});

/** A clock has an identifier of its own, which nothing looks at. */
export const UnstableSubscription = struct(56, 8, {
  userdata: u64(0),
  tag: u8(8),
  clockIdentifier: u64(16),
  clockId: u32(24),
  clockTimeout: u64(32),
  clockPrecision: u64(40),
  clockFlags: u16(48),
  fd: u32(16),
});

const U32_MAX = 0xffff_ffff;
const SAME_FIELDS = ['dev', 'ino', 'size', 'atim', 'mtim', 'ctim'] as const;

/** `writeFilestat` in this layout; more links than 32 bits count are as many as they do. */
export function writeUnstableFilestat(view: DataView, at: number, status: DataView): void {
  const { filetype, nlink } = UnstableFilestat;
  const links = Status.nlink.hi(status, 0) === 0 ? Status.nlink.lo(status, 0) : U32_MAX;
  // With the bytes up to the next field.
  view.setUint32(at + filetype.offset, filetypeOfMode(Status.mode.get(status, 0)), true);
  nlink.set(view, at, links);
  for (const name of SAME_FIELDS) {
    UnstableFilestat[name].set(view, at, Status[name].lo(status, 0), Status[name].hi(status, 0));
  }
}

/** Writes a `Subscription` at `to` of `into` with what one in this layout, at `at`, says. */
export function translateSubscription(
  view: DataView,
  at: number,
  into: DataView,
  to: number,
): void {
  const old = UnstableSubscription;
  const tag = old.tag.get(view, at);
  Subscription.userdata.set(into, to, old.userdata.lo(view, at), old.userdata.hi(view, at));
  Subscription.tag.set(into, to, tag);
  if (tag !== Eventtype.CLOCK) {
    Subscription.fd.set(into, to, old.fd.get(view, at));
    return;
  }
  const { clockTimeout, clockPrecision } = old;
  Subscription.clockId.set(into, to, old.clockId.get(view, at));
  Subscription.clockTimeout.set(into, to, clockTimeout.lo(view, at), clockTimeout.hi(view, at));
  const precision = Subscription.clockPrecision;
  precision.set(into, to, clockPrecision.lo(view, at), clockPrecision.hi(view, at));
  Subscription.clockFlags.set(into, to, old.clockFlags.get(view, at));
}

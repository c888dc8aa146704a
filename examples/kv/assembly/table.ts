/**
 * The keys and their values: a hash table of bytes, with open addressing and linear probing.
 *
 * A slot is 8 bytes: the low 32 bits of the key's hash, then the address of its entry (0: empty).
 * An entry is one block of the arena: its head, the key's bytes, the value's bytes.
 */

import { allocateData, capacityOf, release } from './arena';
import { nowMs } from './clock';
import { sipHash } from './siphash';

const SLOT_BYTES: u32 = 8;
const SLOTS_MIN: u32 = 1024;
/** Beyond this the blocks of a table would be larger than the arena gives: 1 GiB. */
const SLOTS_MAX: u32 = 1 << 26;

/** The head of an entry; the key's bytes follow, then the value's. */
@unmanaged
export class Entry {
  /** When it expires, on the monotonic clock in ms; 0 is never. */
  expiresAtMs: u64;
  keyLength: u32;
  valueLength: u32;

  get key(): usize {
    return changetype<usize>(this) + offsetof<Entry>();
  }

  get value(): usize {
    return this.key + this.keyLength;
  }
}

let slots: usize = 0;
let mask: u32 = 0;
let used: u32 = 0;
let expiring: u32 = 0;
let cursor: u32 = 0;

/** Makes the first, empty table; false when memory does not suffice. */
export function tableInitialize(): bool {
  return resize(SLOTS_MIN);
}

/** How many keys there are, those expired but not yet swept among them. */
export function keyCount(): u32 {
  return used;
}

/** How many keys will expire. */
export function expiringCount(): u32 {
  return expiring;
}

/** The entry of a key, or null; a key that has expired is removed on the way. */
export function find(key: usize, keyLength: u32): Entry | null {
  const slot = probe(<u32>sipHash(key, keyLength), key, keyLength);
  const entry = load<u32>(slot, 4);
  if (entry == 0) return null;
  if (hasExpired(entry)) {
    removeSlot(slot);
    return null;
  }
  return changetype<Entry>(entry);
}

/**
 * Stores a value under a key; `expiresAtMs` 0 is never. The value must not lie in the table.
 * Returns false, and changes nothing, when memory does not suffice.
 */
export function put(
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
  expiresAtMs: u64,
): bool {
  const hash = <u32>sipHash(key, keyLength);
  let slot = probe(hash, key, keyLength);
  const old = changetype<Entry>(<usize>load<u32>(slot, 4));
  const bytes = <u32>offsetof<Entry>() + keyLength + valueLength;
  if (old != null && fits(changetype<usize>(old), bytes)) {
    setExpiry(old, expiresAtMs);
    old.valueLength = valueLength;
    memory.copy(old.value, value, valueLength);
    return true;
  }
  const block = allocateData(bytes);
  if (block == 0) return false;
  if (old == null) {
    if (!makeRoom()) {
      release(block);
      return false;
    }
    slot = probe(hash, key, keyLength);
    used++;
  } else {
    setExpiry(old, 0);
    release(changetype<usize>(old));
  }
  const entry = changetype<Entry>(block);
  entry.expiresAtMs = 0;
  setExpiry(entry, expiresAtMs);
  entry.keyLength = keyLength;
  entry.valueLength = valueLength;
  memory.copy(entry.key, key, keyLength);
  memory.copy(entry.value, value, valueLength);
  store<u32>(slot, hash);
  store<u32>(slot, <u32>block, 4);
  return true;
}

/** Sets or, with 0, clears when an entry expires. */
export function setExpiry(entry: Entry, expiresAtMs: u64): void {
  expiring += <u32>(expiresAtMs != 0) - <u32>(entry.expiresAtMs != 0);
  entry.expiresAtMs = expiresAtMs;
}

/** Removes a key; false if there is none. */
export function remove(key: usize, keyLength: u32): bool {
  const slot = probe(<u32>sipHash(key, keyLength), key, keyLength);
  const entry = load<u32>(slot, 4);
  if (entry == 0) return false;
  const expired = hasExpired(entry);
  removeSlot(slot);
  return !expired;
}

/** Removes all keys. */
export function clear(): void {
  for (let i: u32 = 0; i <= mask; i++) release(load<u32>(slots + i * SLOT_BYTES, 4));
  memory.fill(slots, 0, (mask + 1) * SLOT_BYTES);
  used = 0;
  expiring = 0;
  // The smaller table is a courtesy: without memory for it the large one stays.
  resize(SLOTS_MIN);
}

/** Looks at the next `count` slots for keys that have expired, and removes those. */
export function sweep(count: u32): void {
  for (let left = min(count, mask + 1); left != 0 && expiring != 0; left--) {
    const slot = slots + (cursor & mask) * SLOT_BYTES;
    const entry = load<u32>(slot, 4);
    // After a removal another entry may have moved into this slot: look at it again.
    if (entry != 0 && hasExpired(entry)) removeSlot(slot);
    else cursor++;
  }
}

function hasExpired(entry: usize): bool {
  const expiresAtMs = changetype<Entry>(entry).expiresAtMs;
  return expiresAtMs != 0 && expiresAtMs <= nowMs();
}

/** Whether a block can take `bytes` without wasting more than half of itself. */
function fits(block: usize, bytes: u32): bool {
  const capacity = capacityOf(block);
  return bytes <= capacity && capacity <= 2 * bytes + 64;
}

/** The slot of the key, or the empty one where it belongs. */
function probe(hash: u32, key: usize, keyLength: u32): usize {
  let index = hash & mask;
  while (true) {
    const slot = slots + index * SLOT_BYTES;
    const entry = load<u32>(slot, 4);
    if (entry == 0) return slot;
    if (load<u32>(slot) == hash && isKey(changetype<Entry>(<usize>entry), key, keyLength)) {
      return slot;
    }
    index = (index + 1) & mask;
  }
}

function isKey(entry: Entry, key: usize, keyLength: u32): bool {
  return entry.keyLength == keyLength && memory.compare(entry.key, key, keyLength) == 0;
}

/** Removes an entry, and closes the gap with those that were pushed on by it. */
function removeSlot(slot: usize): void {
  const entry = <usize>load<u32>(slot, 4);
  setExpiry(changetype<Entry>(entry), 0);
  release(entry);
  used--;
  let gap = <u32>(slot - slots) / SLOT_BYTES;
  let next = gap;
  while (true) {
    next = (next + 1) & mask;
    const moved = load<u64>(slots + next * SLOT_BYTES);
    if (moved >> 32 == 0) break;
    const home = <u32>moved & mask;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      store<u64>(slots + gap * SLOT_BYTES, moved);
      gap = next;
    }
  }
  store<u64>(slots + gap * SLOT_BYTES, 0);
}

/** Doubles the table when it is 3/4 full; without memory for that it may become 7/8 full. */
function makeRoom(): bool {
  const size = mask + 1;
  if (used < size - (size >> 2)) return true;
  return (size < SLOTS_MAX && resize(size << 1)) || used < size - (size >> 3);
}

/** Moves all entries to a table of `size` slots, a power of two. */
function resize(size: u32): bool {
  const table = allocateData(size * SLOT_BYTES);
  if (table == 0) return false;
  memory.fill(table, 0, size * SLOT_BYTES);
  const oldSlots = slots;
  const oldSize: u32 = slots == 0 ? 0 : mask + 1;
  slots = table;
  mask = size - 1;
  for (let i: u32 = 0; i < oldSize; i++) {
    const moved = load<u64>(oldSlots + i * SLOT_BYTES);
    if (moved >> 32 == 0) continue;
    let index = <u32>moved & mask;
    while (load<u32>(slots + index * SLOT_BYTES, 4) != 0) index = (index + 1) & mask;
    store<u64>(slots + index * SLOT_BYTES, moved);
  }
  release(oldSlots);
  return true;
}

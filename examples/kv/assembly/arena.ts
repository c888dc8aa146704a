/**
 * The memory of keys, values and buffers: an allocator that can say no.
 *
 * AssemblyScript's own `heap.alloc` traps when memory cannot grow. A server must answer instead,
 * so everything whose size a client decides lies here, in one stretch of memory of a fixed size.
 * Segregated free lists over blocks with boundary tags: `allocate` and `release` take constant
 * time, neighbours merge at once.
 *
 * A block is a header of 4 bytes and a payload aligned to 8. The header holds the block's size
 * in bytes (a multiple of 8, header included) and two flags. A free block keeps its links in the
 * payload and its size again in its last 4 bytes, where its right neighbour finds it.
 */

const HEADER_BYTES: u32 = 4;
const BLOCK_BYTES_MIN: u32 = 16;
const FREE: u32 = 1;
const LEFT_FREE: u32 = 2;
const FLAGS: u32 = FREE | LEFT_FREE;

const PAGE_BYTES: u32 = 65536;
/** The smallest arena worth having. */
const ARENA_PAGES_MIN: u32 = 16;
/** Size in bytes of the blocks for requests and replies that must wait: see `allocateSpare`. */
const SPARE_BYTES: u32 = 65536;
/** They take a sixteenth of the arena, and are at least two for requests and two for replies. */
const SPARES_MIN: u32 = 4;
/** The largest block in bytes: sizes stay far from 2^32, so that no sum of two wraps. */
const ALLOCATE_BYTES_MAX: u32 = 1 << 30;

/** Sizes below 256 bytes have a bin each, those above 8 bins to a power of two. */
const LINEAR_BYTES: u32 = 256;
const LINEAR_BINS: u32 = 32;
/** The first block of each of the 224 lists, as u32. */
const heads: usize = memory.data(896, 8);
/** One bit for each list: whether it holds a block. */
const bitmap: usize = memory.data(32, 8);

let arenaBytes: u32 = 0;
let allocatedBytes: u32 = 0;
/** The first spare block that is not in use, which holds the address of the next; or 0. */
let spare: usize = 0;
/** Where the spare blocks end; they are the first ones. */
let sparesEnd: usize = 0;

/**
 * Takes the arena from the host: `bytes`, or half of it, a quarter and so on where the host gives
 * less; false when it gives less than 1 MiB. Pages cost nothing until they are written to. First,
 * `runtimeBytes` are set aside for AssemblyScript's own heap.
 */
export function arenaInitialize(bytes: u32, runtimeBytes: u32): bool {
  heap.free(heap.alloc(runtimeBytes));
  for (let pages = bytes / PAGE_BYTES; pages >= ARENA_PAGES_MIN; pages >>= 1) {
    const before = memory.grow(pages);
    if (before < 0) continue;
    arenaBytes = pages * PAGE_BYTES;
    // The first block begins 4 bytes in, so that payloads are aligned; a header of size 0 ends all.
    const block = <usize>before * PAGE_BYTES + HEADER_BYTES;
    const size = arenaBytes - 2 * HEADER_BYTES;
    store<u32>(block, 0);
    store<u32>(block + size, 0);
    insertFree(block, size);
    setSparesAside(max(SPARES_MIN, (arenaBytes >> 4) / SPARE_BYTES));
    return true;
  }
  return false;
}

/** Puts the first `count` blocks on the list of spares: they count as used only while they are. */
function setSparesAside(count: u32): void {
  for (; count != 0; count--) {
    const block = allocate(SPARE_BYTES);
    sparesEnd = block + SPARE_BYTES;
    release(block);
  }
}

/** The size of the arena in bytes. */
export function arenaSize(): u32 {
  return arenaBytes;
}

/** Bytes in blocks that are in use, headers included. */
export function arenaAllocatedBytes(): u32 {
  return allocatedBytes;
}

/** Returns a block of at least `bytes`, aligned to 8, or 0 when there is none. */
export function allocate(bytes: u32): usize {
  if (bytes > ALLOCATE_BYTES_MAX) return 0;
  const size = max(BLOCK_BYTES_MIN, (bytes + HEADER_BYTES + 7) & ~7);
  const block = findFree(size);
  if (block == 0) return 0;
  removeFree(block);
  takeFrom(block, size);
  allocatedBytes += sizeOf(block);
  return block + HEADER_BYTES;
}

/** As `allocate`, for what stays: an eighth of the arena, with the spares, is for what does not. */
export function allocateData(bytes: u32): usize {
  const limit = arenaBytes - (arenaBytes >> 3);
  return <u64>allocatedBytes + bytes <= limit ? allocate(bytes) : 0;
}

/**
 * As `allocate`, for requests and replies that must wait, at most 64 KiB of each: when memory is
 * full, or in too many pieces, there are still the spare blocks.
 */
export function allocateSpare(bytes: u32): usize {
  const block = allocate(bytes);
  if (block != 0 || bytes > SPARE_BYTES || spare == 0) return block;
  const taken = spare;
  spare = load<u32>(taken);
  allocatedBytes += sizeOf(taken - HEADER_BYTES);
  return taken;
}

/** Gives a block back; 0 is nothing. */
export function release(payload: usize): void {
  if (payload == 0) return;
  let block = payload - HEADER_BYTES;
  let size = sizeOf(block);
  allocatedBytes -= size;
  if (payload < sparesEnd) {
    store<u32>(payload, <u32>spare);
    spare = payload;
    return;
  }
  const right = block + size;
  if (load<u32>(right) & FREE) {
    removeFree(right);
    size += sizeOf(right);
  }
  if (load<u32>(block) & LEFT_FREE) {
    const leftSize = load<u32>(block - 4);
    block -= leftSize;
    removeFree(block);
    size += leftSize;
  }
  insertFree(block, size);
}

/** Moves a block to one of at least `bytes`; if there is none, leaves it be: 0. */
export function reallocate(payload: usize, bytes: u32): usize {
  const capacity = capacityOf(payload);
  if (bytes <= capacity) return payload;
  const moved = allocate(bytes);
  if (moved == 0) return 0;
  memory.copy(moved, payload, capacity);
  release(payload);
  return moved;
}

/** How many bytes the block can hold: at least what was asked for. */
export function capacityOf(payload: usize): u32 {
  return sizeOf(payload - HEADER_BYTES) - HEADER_BYTES;
}

function sizeOf(block: usize): u32 {
  return load<u32>(block) & ~FLAGS;
}

/** The bin of the blocks of this size. */
function binOf(size: u32): u32 {
  if (size < LINEAR_BYTES) return size >> 3;
  const power = 31 - clz(size);
  return LINEAR_BINS + ((power - 8) << 3) + ((size >> (power - 3)) & 7);
}

/** The first bin all of whose blocks hold `size` bytes. */
function binThatFits(size: u32): u32 {
  if (size < LINEAR_BYTES) return size >> 3;
  return binOf(size + (1 << (28 - clz(size))) - 1);
}

/** A free block of at least `size` bytes, or 0. */
function findFree(size: u32): usize {
  const bin = binThatFits(size);
  let word = bin >> 6;
  let bits = load<u64>(bitmap + (word << 3)) & (~(<u64>0) << (bin & 63));
  while (bits == 0) {
    if (++word == 4) return 0;
    bits = load<u64>(bitmap + (word << 3));
  }
  return load<u32>(heads + (((word << 6) + <u32>ctz(bits)) << 2));
}

function insertFree(block: usize, size: u32): void {
  store<u32>(block, size | FREE | (load<u32>(block) & LEFT_FREE));
  store<u32>(block + size - 4, size);
  store<u32>(block + size, load<u32>(block + size) | LEFT_FREE);
  const bin = binOf(size);
  const head = heads + (bin << 2);
  const next = load<u32>(head);
  store<u32>(block + 4, next);
  store<u32>(block + 8, 0);
  if (next) store<u32>(next + 8, <u32>block);
  store<u32>(head, <u32>block);
  const word = bitmap + ((bin >> 6) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << (bin & 63)));
}

function removeFree(block: usize): void {
  const size = sizeOf(block);
  const next = load<u32>(block + 4);
  const previous = load<u32>(block + 8);
  if (next) store<u32>(next + 8, previous);
  if (previous) {
    store<u32>(previous + 4, next);
  } else {
    const bin = binOf(size);
    store<u32>(heads + (bin << 2), next);
    if (next == 0) {
      const word = bitmap + ((bin >> 6) << 3);
      store<u64>(word, load<u64>(word) & ~((<u64>1) << (bin & 63)));
    }
  }
  store<u32>(block, load<u32>(block) & ~FREE);
  store<u32>(block + size, load<u32>(block + size) & ~LEFT_FREE);
}

/** Cuts `size` bytes off the front of an unlisted block; the rest is free again. */
function takeFrom(block: usize, size: u32): void {
  const whole = sizeOf(block);
  if (whole - size < BLOCK_BYTES_MIN) return;
  store<u32>(block, size | (load<u32>(block) & FLAGS));
  store<u32>(block + size, 0);
  insertFree(block + size, whole - size);
}

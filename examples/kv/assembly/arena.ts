/**
 * The memory of keys, values and buffers: an allocator that can say no.
 *
 * AssemblyScript's own `heap.alloc` traps when memory cannot grow. A server must answer instead,
 * so everything whose size a client decides lies here. Segregated free lists over blocks with
 * boundary tags: `allocate` and `release` take constant time, neighbours merge at once.
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
/** Memory is taken from the host 16 pages (1 MiB) at a time, or more for a larger block. */
const GROW_PAGES: u32 = 16;
/** The largest block in bytes: sizes stay far from 2^32, so that no sum of two wraps. */
const ALLOCATE_BYTES_MAX: u32 = 1 << 30;

/** Sizes below 256 bytes have a bin each, those above 8 bins to a power of two. */
const LINEAR_BYTES: u32 = 256;
const LINEAR_BINS: u32 = 32;
/** The first block of each of the 224 lists, as u32. */
const heads: usize = memory.data(896, 8);
/** One bit for each list: whether it holds a block. */
const bitmap: usize = memory.data(32, 8);

let limitBytes: u32 = 0;
let reservedBytes: u32 = 0;
let allocatedBytes: u32 = 0;
/** Where the newest chunk ends: new pages that begin here belong to the same chunk. */
let chunkEnd: usize = 0;

/**
 * Sets how many bytes the arena may take from the host. `runtimeBytes` are first set aside for
 * AssemblyScript's own heap, so that the arena cannot starve it.
 */
export function arenaInitialize(limit: u32, runtimeBytes: u32): void {
  limitBytes = limit;
  heap.free(heap.alloc(runtimeBytes));
}

/** Bytes that `allocate` may take from the host in all. */
export function arenaLimitBytes(): u32 {
  return limitBytes;
}

/** Bytes taken from the host so far; they are never given back. */
export function arenaReservedBytes(): u32 {
  return reservedBytes;
}

/** Bytes in blocks that are in use, headers included. */
export function arenaAllocatedBytes(): u32 {
  return allocatedBytes;
}

/** Returns a block of at least `bytes`, aligned to 8, or 0 when memory is at its limit. */
export function allocate(bytes: u32): usize {
  if (bytes > ALLOCATE_BYTES_MAX) return 0;
  const size = max(BLOCK_BYTES_MIN, (bytes + HEADER_BYTES + 7) & ~7);
  let block = findFree(size);
  if (block == 0) {
    if (!growBy(size)) return 0;
    block = findFree(size);
  }
  removeFree(block);
  takeFrom(block, size);
  allocatedBytes += sizeOf(block);
  return block + HEADER_BYTES;
}

/** Gives a block back; 0 is nothing. */
export function release(payload: usize): void {
  if (payload == 0) return;
  let block = payload - HEADER_BYTES;
  let size = sizeOf(block);
  allocatedBytes -= size;
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

/** Moves a block to one of at least `bytes`; returns 0, and leaves it be, at the limit. */
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
  store<u64>(word, load<u64>(word) | (<u64>1 << (bin & 63)));
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
      store<u64>(word, load<u64>(word) & ~(<u64>1 << (bin & 63)));
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

/** Takes pages for a block of `size` bytes from the host; false at either one's limit. */
function growBy(size: u32): bool {
  // A bin may begin an eighth above the size; 16 bytes go to the ends of a new chunk.
  const needed = ((size + (size >> 3) + 16) / PAGE_BYTES) + 1;
  const room = (limitBytes - reservedBytes) / PAGE_BYTES;
  if (needed > room) return false;
  let pages = min(max(needed, GROW_PAGES), room);
  let before = memory.grow(pages);
  if (before < 0 && pages > needed) {
    pages = needed;
    before = memory.grow(pages);
  }
  if (before < 0) return false;
  addPages(<usize>before * PAGE_BYTES, pages * PAGE_BYTES);
  return true;
}

/**
 * Makes new pages free memory. A chunk begins 4 bytes in, so that payloads are aligned, and ends
 * in a header of size 0; pages that follow the last chunk turn that header into a block.
 */
function addPages(start: usize, bytes: u32): void {
  reservedBytes += bytes;
  const follows = start == chunkEnd;
  const block = follows ? start - HEADER_BYTES : start + HEADER_BYTES;
  if (!follows) store<u32>(block, 0);
  chunkEnd = start + bytes;
  const end = chunkEnd - HEADER_BYTES;
  store<u32>(end, 0);
  if (load<u32>(block) & LEFT_FREE) {
    const left = block - load<u32>(block - 4);
    removeFree(left);
    insertFree(left, <u32>(end - left));
  } else {
    insertFree(block, <u32>(end - block));
  }
}

/** The server's limits; the guest's arguments change them, `CONFIG GET` shows them. */

/** Bytes for keys, values and buffers together, if the host gives as much: `--maxmemory`. */
export let maxMemoryBytes: u32 = 256 << 20;
/** The longest string a client may send, in bytes: `--proto-max-bulk-len`. */
export let bulkBytesMax: u32 = 16 << 20;
/** Connections at a time: `--maxclients`. */
export let clientsMax: u32 = 1000;

/** The most strings in one command, as Redis has it. */
export const ARGUMENTS_MAX: u32 = 1 << 20;
/** The longest inline command in bytes, as Redis has it. */
export const INLINE_BYTES_MAX: u32 = 64 << 10;

/**
 * Changes one setting, from text such as `64mb`; false if there is no such setting or its value
 * makes no sense.
 */
export function setSetting(name: string, value: string): bool {
  const number = parseSize(value);
  if (number < 1) return false;
  if (name == 'maxmemory' && number >= 1 << 20 && number <= 3 << 30) {
    maxMemoryBytes = <u32>number;
  } else if (name == 'proto-max-bulk-len' && number <= 512 << 20) {
    bulkBytesMax = <u32>number;
  } else if (name == 'maxclients' && number <= 1 << 20) {
    clientsMax = <u32>number;
  } else {
    return false;
  }
  return true;
}

/** A number with a unit as Redis writes it (`kb`, `mb`, `gb`: powers of 1024), or -1. */
function parseSize(text: string): i64 {
  let number: i64 = 0;
  let at = 0;
  for (; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
    if (number > <i64>u32.MAX_VALUE) return -1;
  }
  if (at == 0) return -1;
  const unit = text.substring(at).toLowerCase();
  if (unit == '' || unit == 'b') return number;
  if (unit == 'kb') return number << 10;
  if (unit == 'mb') return number << 20;
  return unit == 'gb' ? number << 30 : -1;
}

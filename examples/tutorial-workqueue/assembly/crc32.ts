/** CRC-32 of the zip and gzip formats: RFC 1952, section 8. */

const POLYNOMIAL: u32 = 0xedb88320;
const TABLE: usize = memory.data(1024, 4);

/** The sum of a run of bytes and one more; 0 is the sum of none. */
export function crc32(sum: u32, byte: u8): u32 {
  const index: usize = (~sum ^ byte) & 0xff;
  return ~(load<u32>(TABLE + (index << 2)) ^ (~sum >> 8));
}

function fillTable(): void {
  for (let index: u32 = 0; index < 256; index++) {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ POLYNOMIAL : value >> 1;
    store<u32>(TABLE + ((<usize>index) << 2), value);
  }
}

fillTable();

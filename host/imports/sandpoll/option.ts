/** Module `sandpoll`: `getsockopt(2)` and `setsockopt(2)`, with Linux's levels and names. */
import { Errno, wasiErrno, wasiStatus } from '../../errno.js';
import { type ImportRow, imported } from '../call.js';
import { findOption, readOption, setOption } from '../socket/options.js';
import { isSocket, notSocket } from '../socket/transfer.js';

const INT_MAX = 2 ** 31 - 1;

/** `value_len` points to a u32: the room there is, and afterwards the bytes written. */
const getRow = imported(
  'getsockopt',
  { fd: 'fd', level: 'i32', name: 'i32', 'result.value': 'ptr', value_len: 'ptr' },
  (sandbox) => (fd: number, level: number, name: number, value: number, valueLen: number) => {
    const { memory, descriptors, option } = sandbox;
    const at = value >>> 0;
    const lenAt = valueLen >>> 0;
    if (!memory.fits(lenAt, 4)) return Errno.FAULT;
    const room = memory.view.getUint32(lenAt, true);
    if (room > INT_MAX) return Errno.INVAL;
    const found = findOption(level, name);
    const used = Math.min(room, found?.size ?? 0);
    if (!memory.fits(at, used)) return Errno.FAULT;
    const kind = descriptors.kind(fd);
    if (!isSocket(kind)) return wasiErrno(notSocket(kind));
    if (found === undefined) return Errno.NOPROTOOPT;
    const size = readOption(sandbox, fd, found, used);
    if (size < 0) return wasiErrno(size);
    memory.bytes.set(option.subarray(0, size), at);
    memory.view.setUint32(lenAt, size, true);
    return Errno.SUCCESS;
  },
);

const setRow = imported(
  'setsockopt',
  { fd: 'fd', level: 'i32', name: 'i32', value: 'ptr', value_len: 'size' },
  (sandbox) => (fd: number, level: number, name: number, value: number, valueLen: number) => {
    const { memory, descriptors } = sandbox;
    const at = value >>> 0;
    if (valueLen < 0) return Errno.INVAL;
    const found = findOption(level, name);
    if (!memory.fits(at, Math.min(valueLen, found?.size ?? valueLen))) return Errno.FAULT;
    const kind = descriptors.kind(fd);
    if (!isSocket(kind)) return wasiErrno(notSocket(kind));
    if (found === undefined) return Errno.NOPROTOOPT;
    if (valueLen < found.sizeMin) return Errno.INVAL;
    return wasiStatus(setOption(sandbox, fd, found, at, valueLen));
  },
);

export const OPTION_ROWS: readonly ImportRow[] = [getRow, setRow];

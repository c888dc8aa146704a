/**
 * The two errno spaces and the one map between them.
 *
 * The kernel port answers minus a Linux errno; imports answer a WASI errno. Every row names one
 * error, its number in Linux's `errno.h` (x86-64 and arm64 agree) and its number in
 * `wasi_snapshot_preview1`.
 */
const ROWS = [
  ['2BIG', 7, 1],
  ['ACCES', 13, 2],
  ['ADDRINUSE', 98, 3],
  ['ADDRNOTAVAIL', 99, 4],
  ['AFNOSUPPORT', 97, 5],
  ['AGAIN', 11, 6],
  ['ALREADY', 114, 7],
  ['BADF', 9, 8],
  ['BADMSG', 74, 9],
  ['BUSY', 16, 10],
  ['CANCELED', 125, 11],
  ['CHILD', 10, 12],
  ['CONNABORTED', 103, 13],
  ['CONNREFUSED', 111, 14],
  ['CONNRESET', 104, 15],
  ['DEADLK', 35, 16],
  ['DESTADDRREQ', 89, 17],
  ['DOM', 33, 18],
  ['DQUOT', 122, 19],
  ['EXIST', 17, 20],
  ['FAULT', 14, 21],
  ['FBIG', 27, 22],
  ['HOSTUNREACH', 113, 23],
  ['IDRM', 43, 24],
  ['ILSEQ', 84, 25],
  ['INPROGRESS', 115, 26],
  ['INTR', 4, 27],
  ['INVAL', 22, 28],
  ['IO', 5, 29],
  ['ISCONN', 106, 30],
  ['ISDIR', 21, 31],
  ['LOOP', 40, 32],
  ['MFILE', 24, 33],
  ['MLINK', 31, 34],
  ['MSGSIZE', 90, 35],
  ['MULTIHOP', 72, 36],
  ['NAMETOOLONG', 36, 37],
  ['NETDOWN', 100, 38],
  ['NETRESET', 102, 39],
  ['NETUNREACH', 101, 40],
  ['NFILE', 23, 41],
  ['NOBUFS', 105, 42],
  ['NODEV', 19, 43],
  ['NOENT', 2, 44],
  ['NOEXEC', 8, 45],
  ['NOLCK', 37, 46],
  ['NOLINK', 67, 47],
  ['NOMEM', 12, 48],
  ['NOMSG', 42, 49],
  ['NOPROTOOPT', 92, 50],
  ['NOSPC', 28, 51],
  ['NOSYS', 38, 52],
  ['NOTCONN', 107, 53],
  ['NOTDIR', 20, 54],
  ['NOTEMPTY', 39, 55],
  ['NOTRECOVERABLE', 131, 56],
  ['NOTSOCK', 88, 57],
  ['NOTSUP', 95, 58],
  ['NOTTY', 25, 59],
  ['NXIO', 6, 60],
  ['OVERFLOW', 75, 61],
  ['OWNERDEAD', 130, 62],
  ['PERM', 1, 63],
  ['PIPE', 32, 64],
  ['PROTO', 71, 65],
  ['PROTONOSUPPORT', 93, 66],
  ['PROTOTYPE', 91, 67],
  ['RANGE', 34, 68],
  ['ROFS', 30, 69],
  ['SPIPE', 29, 70],
  ['SRCH', 3, 71],
  ['STALE', 116, 72],
  ['TIMEDOUT', 110, 73],
  ['TXTBSY', 26, 74],
  ['XDEV', 18, 75],
  ['NOTCAPABLE', 93, 76],
] as const;

/** Linux errnos that WASI has no word for, and the WASI word that says the most of them. */
const NEAREST = [
  ['ENOTBLK', 15, 'INVAL'],
  ['EUSERS', 87, 'MFILE'],
  ['ESOCKTNOSUPPORT', 94, 'PROTONOSUPPORT'],
  ['EPFNOSUPPORT', 96, 'AFNOSUPPORT'],
  ['ESHUTDOWN', 108, 'PIPE'],
  ['ETOOMANYREFS', 109, 'MFILE'],
  ['EHOSTDOWN', 112, 'HOSTUNREACH'],
  ['ENONET', 64, 'NETUNREACH'],
  ['ECOMM', 70, 'IO'],
  ['ENODATA', 61, 'IO'],
  ['EUCLEAN', 117, 'IO'],
  ['EREMOTEIO', 121, 'IO'],
  ['ENOMEDIUM', 123, 'NXIO'],
  ['EMEDIUMTYPE', 124, 'IO'],
  ['ENOKEY', 126, 'ACCES'],
  ['EKEYEXPIRED', 127, 'ACCES'],
  ['EKEYREVOKED', 128, 'ACCES'],
  ['EKEYREJECTED', 129, 'ACCES'],
  ['EHWPOISON', 133, 'IO'],
] as const;

type Name = (typeof ROWS)[number][0];

/** WASI errno by name, without the E: `Errno.AGAIN` is 6. `SUCCESS` is 0. */
export const Errno = Object.freeze({
  SUCCESS: 0,
  ...Object.fromEntries(ROWS.map(([name, , wasi]) => [name, wasi])),
}) as Readonly<Record<Name | 'SUCCESS', number>>;

/** Linux errno by name, without the E: `LinuxErrno.AGAIN` is 11. NOTCAPABLE is WASI's alone. */
export const LinuxErrno = Object.freeze(
  Object.fromEntries(
    ROWS.filter(([name]) => name !== 'NOTCAPABLE').map(([name, linux]) => [name, linux]),
  ),
) as Readonly<Record<Exclude<Name, 'NOTCAPABLE'>, number>>;

/** The last stands for all that are larger: some file systems let out what is Linux's own. */
const WASI_OF_LINUX = new Uint8Array(256).fill(Errno.IO);
WASI_OF_LINUX[0] = 0;
for (const [name, linux, wasi] of ROWS) {
  if (name !== 'NOTCAPABLE') WASI_OF_LINUX[linux] = wasi;
}
for (const [, linux, name] of NEAREST) WASI_OF_LINUX[linux] = Errno[name];

/** The WASI errno for a failed kernel result (`< 0`); an unknown Linux errno becomes IO. */
export function wasiErrno(result: number): number {
  return WASI_OF_LINUX[Math.min(-result, WASI_OF_LINUX.length - 1)];
}

/** The WASI errno for any kernel result: SUCCESS when it is `>= 0`. */
export function wasiStatus(result: number): number {
  return result < 0 ? wasiErrno(result) : Errno.SUCCESS;
}

/** `ECONNRESET` for a WASI errno of 15; `E200` for a number that has no name. */
export function wasiName(errno: number): string {
  if (errno === 0) return 'SUCCESS';
  const row = ROWS.find(([, , wasi]) => wasi === errno);
  return row ? `E${row[0]}` : `E${errno}`;
}

/** `ECONNRESET` for a Linux errno of 104. */
export function linuxName(errno: number): string {
  const row = ROWS.find(([name, linux]) => linux === errno && name !== 'NOTCAPABLE');
  if (row) return row[0] === 'NOTSUP' ? 'EOPNOTSUPP' : `E${row[0]}`;
  return NEAREST.find(([, linux]) => linux === errno)?.[0] ?? `E${errno}`;
}

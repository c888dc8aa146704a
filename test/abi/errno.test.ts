/** The two errno tables, against the machine's `errno.h` and the numbers of `typenames.witx`. */
import { Errno, LinuxErrno, linuxName, wasiErrno, wasiName, wasiStatus } from '#host/errno.js';
import { openNativeKernel } from '#host/kernel/native.js';
import { expect, test } from 'vitest';

/** `wasi_snapshot_preview1` errnos, each at its own number. */
const WASI_NAMES = `
  SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED
  CHILD CONNABORTED CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG
  HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP
  NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT NOEXEC NOLCK NOLINK NOMEM
  NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY NXIO
  OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE
  TIMEDOUT TXTBSY XDEV NOTCAPABLE`
  .trim()
  .split(/\s+/);

/** Every constant of this machine's `errno.h`. */
const machine: Readonly<Record<string, number>> = JSON.parse(openNativeKernel().errnoNames());

/** Linux errnos that WASI has no number for, and what stands for them. */
const NEAREST = {
  ENOTBLK: 'INVAL',
  EUSERS: 'MFILE',
  ESOCKTNOSUPPORT: 'PROTONOSUPPORT',
  EPFNOSUPPORT: 'AFNOSUPPORT',
  ESHUTDOWN: 'PIPE',
  ETOOMANYREFS: 'MFILE',
  EHOSTDOWN: 'HOSTUNREACH',
  ENONET: 'NETUNREACH',
  ECOMM: 'IO',
  ENODATA: 'IO',
  EUCLEAN: 'IO',
  EREMOTEIO: 'IO',
  ENOMEDIUM: 'NXIO',
  EMEDIUMTYPE: 'IO',
  ENOKEY: 'ACCES',
  EKEYEXPIRED: 'ACCES',
  EKEYREVOKED: 'ACCES',
  EKEYREJECTED: 'ACCES',
  EHWPOISON: 'IO',
} as const;

test('WASI numbers are those of the specification, all of them', () => {
  expect(Errno).toEqual(Object.fromEntries(WASI_NAMES.map((name, errno) => [name, errno])));
});

test("Linux numbers are the machine's own", () => {
  const named = Object.entries(LinuxErrno).map(([name]) => [name, machine[`E${name}`]]);
  expect(Object.fromEntries(named)).toEqual(LinuxErrno);
  expect(Object.keys(LinuxErrno)).toEqual(
    WASI_NAMES.filter((name) => name !== 'SUCCESS' && name !== 'NOTCAPABLE'),
  );
});

test('every errno of the machine is told to a guest by its name, or by the nearest', () => {
  const expected = Object.entries(machine).map(([name, errno]) => {
    const same = WASI_NAMES.find((wasi) => wasi !== 'NOTCAPABLE' && machine[`E${wasi}`] === errno);
    return [name, `E${same ?? NEAREST[name as keyof typeof NEAREST] ?? 'IO'}`];
  });
  const told = Object.entries(machine).map(([name, errno]) => [name, wasiName(wasiErrno(-errno))]);
  expect(told).toEqual(expected);
  for (const errno of Object.values(machine)) expect(wasiStatus(-errno)).toBe(wasiErrno(-errno));
});

test('a result that is no error is SUCCESS, and an errno that no header has is IO', () => {
  expect([wasiStatus(0), wasiStatus(4096)]).toEqual([Errno.SUCCESS, Errno.SUCCESS]);
  // 512 and 524 are ERESTARTSYS and ENOTSUPP, which no header gives to programs.
  for (const errno of [200, 255, 512, 524, 1100]) expect(wasiErrno(-errno)).toBe(Errno.IO);
  expect([wasiName(0), wasiName(200), linuxName(200)]).toEqual(['SUCCESS', 'E200', 'E200']);
});

test("Linux's names are the machine's own", () => {
  const known = [...Object.keys(LinuxErrno).map((name) => `E${name}`), ...Object.keys(NEAREST)];
  const printed = known.map((name) => linuxName(machine[name]));
  expect(printed.map((name) => machine[name])).toEqual(known.map((name) => machine[name]));
});

/** Directories that the host opens before a guest starts, and hands to it. */
import { Access } from '../descriptors.js';
import { LinuxErrno, linuxName } from '../errno.js';
import type { DirGrant } from '../grants.js';
import type { Handle, Kernel } from '../kernel/kernel.js';
import { usageError } from '../usage.js';

/** What the user can do about it, by errno. */
const ADVICE: ReadonlyMap<number, string> = new Map([
  [LinuxErrno.NOENT, 'there is no such directory; make it, or name another'],
  [LinuxErrno.NOTDIR, 'it is not a directory; name the directory that the file is in'],
  [LinuxErrno.ACCES, 'it is not permitted to read it; change its mode, or run as its owner'],
  [LinuxErrno.LOOP, 'its symbolic links lead round in a circle; name the directory itself'],
  [LinuxErrno.NAMETOOLONG, 'it is longer than a path can be; give a shorter one'],
  [
    LinuxErrno.NOSYS,
    'this kernel has no openat2(2) (Linux 5.6), or a container forbids it: nothing would keep ' +
      'the guest in its directory; run without --dir',
  ],
]);

function openError(result: number, { host }: DirGrant): Error {
  const advice = ADVICE.get(-result);
  if (advice !== undefined) return usageError(`--dir ${host}: ${advice}`);
  const code = linuxName(-result);
  const error = new Error(`--dir ${host}: it cannot be opened: ${code}`);
  return Object.assign(error, { code, errno: result, syscall: 'open', path: host });
}

/**
 * Opens one directory, owned by the calling thread's session until it is adopted. Throws a
 * `UsageError` for what is no directory that can be read, or an error of Node's shape.
 */
export function openDirectory(kernel: Kernel, dir: DirGrant): Handle {
  const handle = kernel.openDirectory(new TextEncoder().encode(dir.host));
  if (handle < 0) throw openError(handle, dir);
  return handle;
}

/** Throws what `openDirectory` would for one of them; opens nothing for good. */
export function tryDirectories(kernel: Kernel, dirs: readonly DirGrant[]): void {
  for (const dir of dirs) kernel.close(openDirectory(kernel, dir));
}

/** What the descriptor of a directory allows; what is opened in it has no more. */
export function directoryAccess({ readOnly }: DirGrant): number {
  return readOnly ? Access.READ : Access.READ | Access.WRITE | Access.MUTABLE;
}

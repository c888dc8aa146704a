/**
 * The functions of `wasi_snapshot_preview1` that are not here yet: they link, and answer NOSYS.
 * This is the one list; the README shows it as "not yet". `proc_raise` stays on it by intent: a
 * guest has no process to signal.
 */
import { Errno } from '../../errno.js';
import { type ImportRow, type ParameterKind, imported } from '../call.js';

const path = { path: 'ptr', path_len: 'size' } as const;
const times = { atim: 'u64', mtim: 'u64', fst_flags: 'u32' } as const;
const positioned = {
  fd: 'fd',
  iovs: 'ptr',
  iovs_len: 'size',
  offset: 'u64',
  'result.size': '*u32',
} as const;

const SIGNATURES: Readonly<Record<string, Readonly<Record<string, ParameterKind>>>> = {
  fd_advise: { fd: 'fd', offset: 'u64', len: 'u64', advice: 'u32' },
  fd_allocate: { fd: 'fd', offset: 'u64', len: 'u64' },
  fd_datasync: { fd: 'fd' },
  fd_filestat_get: { fd: 'fd', 'result.buf': 'ptr' },
  fd_filestat_set_size: { fd: 'fd', size: 'u64' },
  fd_filestat_set_times: { fd: 'fd', ...times },
  fd_pread: positioned,
  fd_pwrite: positioned,
  fd_readdir: { fd: 'fd', buf: 'ptr', buf_len: 'size', cookie: 'u64', 'result.bufused': '*u32' },
  fd_sync: { fd: 'fd' },
  path_create_directory: { fd: 'fd', ...path },
  path_filestat_get: { fd: 'fd', flags: 'u32', ...path, 'result.buf': 'ptr' },
  path_filestat_set_times: { fd: 'fd', flags: 'u32', ...path, ...times },
  path_link: {
    old_fd: 'fd',
    old_flags: 'u32',
    old_path: 'ptr',
    old_path_len: 'size',
    new_fd: 'fd',
    new_path: 'ptr',
    new_path_len: 'size',
  },
  path_open: {
    fd: 'fd',
    dirflags: 'u32',
    ...path,
    oflags: 'u32',
    fs_rights_base: 'u64',
    fs_rights_inheriting: 'u64',
    fdflags: 'u32',
    'result.opened_fd': '*u32',
  },
  path_readlink: { fd: 'fd', ...path, buf: 'ptr', buf_len: 'size', 'result.bufused': '*u32' },
  path_remove_directory: { fd: 'fd', ...path },
  path_rename: {
    fd: 'fd',
    old_path: 'ptr',
    old_path_len: 'size',
    new_fd: 'fd',
    new_path: 'ptr',
    new_path_len: 'size',
  },
  path_symlink: {
    old_path: 'ptr',
    old_path_len: 'size',
    fd: 'fd',
    new_path: 'ptr',
    new_path_len: 'size',
  },
  path_unlink_file: { fd: 'fd', ...path },
  proc_raise: { sig: 'u32' },
};

export const PENDING_ROWS: readonly ImportRow[] = Object.entries(SIGNATURES).map(
  ([name, parameters]) => imported(name, parameters, () => () => Errno.NOSYS),
);

/** Names of the functions that only answer NOSYS. */
export const PENDING_NAMES: readonly string[] = Object.keys(SIGNATURES);

/**
 * Module `wasi_snapshot_preview1`, with the WasmEdge socket family (second version).
 *
 * The name of this file is the name of the import module. Each function returns a WASI errno;
 * results go through pointers. Only what a guest calls ends up in its imports.
 */

export declare function args_get(argv: usize, argvBuf: usize): i32;
export declare function args_sizes_get(argc: usize, argvBufSize: usize): i32;
export declare function environ_get(environ: usize, environBuf: usize): i32;
export declare function environ_sizes_get(count: usize, bufSize: usize): i32;
export declare function clock_time_get(clockid: i32, precision: i64, time: usize): i32;
export declare function random_get(buf: usize, bufLen: usize): i32;
export declare function proc_exit(code: i32): void;
export declare function sched_yield(): i32;

export declare function fd_close(fd: i32): i32;
export declare function fd_datasync(fd: i32): i32;
export declare function fd_fdstat_get(fd: i32, stat: usize): i32;
export declare function fd_fdstat_set_flags(fd: i32, fdflags: i32): i32;
export declare function fd_filestat_get(fd: i32, stat: usize): i32;
export declare function fd_filestat_set_size(fd: i32, size: i64): i32;
export declare function fd_pread(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  offset: i64,
  nread: usize,
): i32;
export declare function fd_prestat_dir_name(fd: i32, path: usize, pathLen: i32): i32;
export declare function fd_prestat_get(fd: i32, prestat: usize): i32;
export declare function fd_pwrite(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  offset: i64,
  nwritten: usize,
): i32;
export declare function fd_read(fd: i32, iovs: usize, iovsLen: i32, nread: usize): i32;
export declare function fd_readdir(
  fd: i32,
  buf: usize,
  bufLen: i32,
  cookie: i64,
  bufused: usize,
): i32;
export declare function fd_seek(fd: i32, offset: i64, whence: i32, newoffset: usize): i32;
export declare function fd_sync(fd: i32): i32;
export declare function fd_write(fd: i32, iovs: usize, iovsLen: i32, nwritten: usize): i32;
export declare function poll_oneoff(subs: usize, events: usize, n: i32, nevents: usize): i32;

export declare function path_create_directory(fd: i32, path: usize, pathLen: i32): i32;
export declare function path_filestat_get(
  fd: i32,
  flags: i32,
  path: usize,
  pathLen: i32,
  stat: usize,
): i32;
export declare function path_link(
  oldFd: i32,
  oldFlags: i32,
  oldPath: usize,
  oldPathLen: i32,
  newFd: i32,
  newPath: usize,
  newPathLen: i32,
): i32;
export declare function path_open(
  fd: i32,
  dirflags: i32,
  path: usize,
  pathLen: i32,
  oflags: i32,
  rightsBase: i64,
  rightsInheriting: i64,
  fdflags: i32,
  openedFd: usize,
): i32;
export declare function path_readlink(
  fd: i32,
  path: usize,
  pathLen: i32,
  buf: usize,
  bufLen: i32,
  bufused: usize,
): i32;
export declare function path_remove_directory(fd: i32, path: usize, pathLen: i32): i32;
export declare function path_rename(
  fd: i32,
  oldPath: usize,
  oldPathLen: i32,
  newFd: i32,
  newPath: usize,
  newPathLen: i32,
): i32;
export declare function path_symlink(
  oldPath: usize,
  oldPathLen: i32,
  fd: i32,
  newPath: usize,
  newPathLen: i32,
): i32;
export declare function path_unlink_file(fd: i32, path: usize, pathLen: i32): i32;

export declare function sock_accept(fd: i32, fdflags: i32, connection: usize): i32;
export declare function sock_recv(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  riflags: i32,
  nread: usize,
  roflags: usize,
): i32;
export declare function sock_send(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  siflags: i32,
  nwritten: usize,
): i32;
export declare function sock_shutdown(fd: i32, how: i32): i32;

export declare function sock_open(family: i32, type: i32, fd: usize): i32;
export declare function sock_bind(fd: i32, address: usize, port: i32): i32;
export declare function sock_listen(fd: i32, backlog: i32): i32;
export declare function sock_connect(fd: i32, address: usize, port: i32): i32;
export declare function sock_recv_from(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  address: usize,
  riflags: i32,
  port: usize,
  nread: usize,
  roflags: usize,
): i32;
export declare function sock_send_to(
  fd: i32,
  iovs: usize,
  iovsLen: i32,
  address: usize,
  port: i32,
  siflags: i32,
  nwritten: usize,
): i32;
export declare function sock_getlocaladdr(fd: i32, address: usize, port: usize): i32;
export declare function sock_getpeeraddr(fd: i32, address: usize, port: usize): i32;
export declare function sock_getsockopt(
  fd: i32,
  level: i32,
  name: i32,
  value: usize,
  size: usize,
): i32;
export declare function sock_setsockopt(
  fd: i32,
  level: i32,
  name: i32,
  value: usize,
  size: i32,
): i32;

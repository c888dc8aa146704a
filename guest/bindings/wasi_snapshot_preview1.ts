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
export declare function fd_fdstat_get(fd: i32, stat: usize): i32;
export declare function fd_fdstat_set_flags(fd: i32, fdflags: i32): i32;
export declare function fd_read(fd: i32, iovs: usize, iovsLen: i32, nread: usize): i32;
export declare function fd_write(fd: i32, iovs: usize, iovsLen: i32, nwritten: usize): i32;
export declare function poll_oneoff(subs: usize, events: usize, n: i32, nevents: usize): i32;

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

/** The wasm type of every imported function, against the specifications (abi.md §1.1, §2.1). */
import { rowType } from '#host/imports/call.js';
import { IMPORT_MODULES } from '#host/imports/index.js';
import { expect, test } from 'vitest';

/** `name(i32,i64)`; all return an i32 but where `->` says else. */
const PREVIEW1 = `
  args_get(i32,i32) args_sizes_get(i32,i32) environ_get(i32,i32) environ_sizes_get(i32,i32)
  clock_res_get(i32,i32) clock_time_get(i32,i64,i32)
  fd_advise(i32,i64,i64,i32) fd_allocate(i32,i64,i64) fd_close(i32) fd_datasync(i32)
  fd_fdstat_get(i32,i32) fd_fdstat_set_flags(i32,i32) fd_fdstat_set_rights(i32,i64,i64)
  fd_filestat_get(i32,i32) fd_filestat_set_size(i32,i64)
  fd_filestat_set_times(i32,i64,i64,i32)
  fd_pread(i32,i32,i32,i64,i32) fd_pwrite(i32,i32,i32,i64,i32)
  fd_read(i32,i32,i32,i32) fd_write(i32,i32,i32,i32)
  fd_prestat_get(i32,i32) fd_prestat_dir_name(i32,i32,i32) fd_readdir(i32,i32,i32,i64,i32)
  fd_renumber(i32,i32) fd_seek(i32,i64,i32,i32) fd_sync(i32) fd_tell(i32,i32)
  path_create_directory(i32,i32,i32) path_filestat_get(i32,i32,i32,i32,i32)
  path_filestat_set_times(i32,i32,i32,i32,i64,i64,i32)
  path_link(i32,i32,i32,i32,i32,i32,i32)
  path_open(i32,i32,i32,i32,i32,i64,i64,i32,i32)
  path_readlink(i32,i32,i32,i32,i32,i32) path_remove_directory(i32,i32,i32)
  path_rename(i32,i32,i32,i32,i32,i32) path_symlink(i32,i32,i32,i32,i32)
  path_unlink_file(i32,i32,i32)
  poll_oneoff(i32,i32,i32,i32) proc_exit(i32)->() proc_raise(i32) sched_yield()
  random_get(i32,i32)
  sock_accept(i32,i32,i32) sock_recv(i32,i32,i32,i32,i32,i32) sock_send(i32,i32,i32,i32,i32)
  sock_shutdown(i32,i32)`;

/** Preview0 has all but sock_accept, of the same types. */
const UNSTABLE = PREVIEW1.replace('sock_accept(i32,i32,i32)', '');

/** The WasmEdge socket family, v1 and v2. */
const WASMEDGE = `
  sock_open(i32,i32,i32) sock_bind(i32,i32,i32) sock_listen(i32,i32) sock_accept(i32,i32)
  sock_connect(i32,i32,i32)
  sock_recv_from(i32,i32,i32,i32,i32,i32,i32) sock_recv_from(i32,i32,i32,i32,i32,i32,i32,i32)
  sock_send_to(i32,i32,i32,i32,i32,i32,i32)
  sock_getsockopt(i32,i32,i32,i32,i32) sock_setsockopt(i32,i32,i32,i32,i32)
  sock_getlocaladdr(i32,i32,i32,i32) sock_getlocaladdr(i32,i32,i32)
  sock_getpeeraddr(i32,i32,i32,i32) sock_getpeeraddr(i32,i32,i32)
  sock_getaddrinfo(i32,i32,i32,i32,i32,i32,i32,i32)`;

/** Module `sandpoll`, version 1 (design.md §4.1), as far as it is there. */
const SANDPOLL = `
  epoll_create1(i32,i32) epoll_ctl(i32,i32,i32,i32) epoll_wait(i32,i32,i32,i32,i32)
  epoll_pwait2(i32,i32,i32,i32,i32) eventfd(i32,i32,i32) signalfd(i32,i32,i32) pipe2(i32,i32)
  timerfd_create(i32,i32,i32) timerfd_settime(i32,i32,i32,i32) timerfd_gettime(i32,i32)
  channel_send(i32,i32,i32,i32,i32) channel_recv(i32,i32,i32,i32,i32,i32)
  socket(i32,i32,i32,i32) socketpair(i32,i32,i32,i32) bind(i32,i32,i32) connect(i32,i32,i32)
  listen(i32,i32) accept4(i32,i32,i32,i32,i32) shutdown(i32,i32)
  getsockname(i32,i32,i32) getpeername(i32,i32,i32)
  recv(i32,i32,i32,i32,i32) send(i32,i32,i32,i32,i32)
  recvfrom(i32,i32,i32,i32,i32,i32,i32) sendto(i32,i32,i32,i32,i32,i32,i32)
  recvmsg(i32,i32,i32,i32) sendmsg(i32,i32,i32,i32)
  recvmmsg(i32,i32,i32,i32,i32,i32) sendmmsg(i32,i32,i32,i32,i32) submit(i32,i32)
  getsockopt(i32,i32,i32,i32,i32) setsockopt(i32,i32,i32,i32,i32)`;

/** wasi-threads (abi.md §5). */
const WASI = 'thread-spawn(i32)';

/** What AssemblyScript's runtime imports. */
const ENV = `
  abort(i32,i32,i32,i32)->() seed()->(f64) trace(i32,i32,f64,f64,f64,f64,f64)->()`;

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** The functions of a module as they are written above. */
function provided(module: string): string[] {
  return (IMPORT_MODULES.get(module) ?? []).map((row) => {
    const { params, results } = rowType(row);
    const result = results.join() === 'i32' ? '' : `->(${results.join()})`;
    return `${row.name}(${params.join()})${result}`;
  });
}

test('the specification has 46 functions', () => {
  expect(new Set(words(PREVIEW1)).size).toBe(46);
});

test.each([
  ['wasi_snapshot_preview1', `${PREVIEW1} ${WASMEDGE}`],
  ['wasi_unstable', UNSTABLE],
  ['sandpoll', SANDPOLL],
  ['wasi', WASI],
  ['env', ENV],
])('%s provides exactly the functions of its specification', (module, specification) => {
  expect(provided(module).toSorted()).toEqual(words(specification).toSorted());
});

test('no two rows of a module have the same name and number of parameters', () => {
  for (const [module, rows] of IMPORT_MODULES) {
    const keys = rows.map((row) => `${row.name}/${Object.keys(row.parameters).length}`);
    expect([module, keys.length]).toEqual([module, new Set(keys).size]);
  }
});

// Polling, clocks, chance, sockets that are none; and a directory that is read-only.
#include "suite.h"

#include <stdlib.h>

#define MILLISECOND 1000000

static __wasi_subscription_t clock_in(uint64_t nanoseconds, __wasi_clockid_t id) {
  __wasi_subscription_t it = {.userdata = 1, .u.tag = __WASI_EVENTTYPE_CLOCK};
  it.u.u.clock.id = id;
  it.u.u.clock.timeout = nanoseconds;
  return it;
}

static __wasi_subscription_t ready(__wasi_fd_t fd, __wasi_eventtype_t type) {
  __wasi_subscription_t it = {.userdata = 100 + (uint64_t)fd, .u.tag = type};
  it.u.u.fd_read.file_descriptor = fd;
  return it;
}

static void poll_oneoff_stdio(__wasi_fd_t dir) {
  (void)dir;
  __wasi_event_t events[3];
  size_t count = 0;
  __wasi_subscription_t input[] = {
      clock_in(20 * MILLISECOND, __WASI_CLOCKID_MONOTONIC),
      ready(0, __WASI_EVENTTYPE_FD_READ),
  };
  OK(__wasi_poll_oneoff(input, events, 2, &count));
  HOLDS(count >= 1 && events[0].error == __WASI_ERRNO_SUCCESS);
  __wasi_subscription_t outputs[] = {
      clock_in(200 * (uint64_t)MILLISECOND, __WASI_CLOCKID_MONOTONIC),
      ready(1, __WASI_EVENTTYPE_FD_WRITE),
      ready(2, __WASI_EVENTTYPE_FD_WRITE),
  };
  OK(__wasi_poll_oneoff(outputs, events, 3, &count));
  HOLDS(count == 2 && events[0].userdata == 101 && events[1].userdata == 102);
  HOLDS(events[0].error == __WASI_ERRNO_SUCCESS && events[1].error == __WASI_ERRNO_SUCCESS);
}

static void poll_oneoff_clock(__wasi_clockid_t id) {
  __wasi_subscription_t wait = clock_in(5 * MILLISECOND, id);
  __wasi_event_t event = {0};
  uint64_t before = 0;
  uint64_t after = 0;
  size_t count = 0;
  OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &before));
  OK(__wasi_poll_oneoff(&wait, &event, 1, &count));
  OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &after));
  HOLDS(count == 1 && event.userdata == 1 && event.type == __WASI_EVENTTYPE_CLOCK);
  HOLDS(event.error == __WASI_ERRNO_SUCCESS && after - before >= 5 * MILLISECOND);
}

static void poll_oneoff_files(__wasi_fd_t dir) {
  __wasi_event_t events[3];
  size_t count = 0;
  __wasi_subscription_t any = clock_in(0, __WASI_CLOCKID_MONOTONIC);
  WANT(INVAL, __wasi_poll_oneoff(&any, events, 0, &count));
  poll_oneoff_clock(__WASI_CLOCKID_MONOTONIC);
  poll_oneoff_clock(__WASI_CLOCKID_REALTIME);
  __wasi_fd_t fd = opened(dir, "file", CREAT, READ | WRITE);
  write_text(fd, "12345");
  seek(fd, 2, __WASI_WHENCE_SET);
  __wasi_subscription_t both[] = {
      ready(fd, __WASI_EVENTTYPE_FD_READ),
      ready(fd, __WASI_EVENTTYPE_FD_WRITE),
      ready(-1, __WASI_EVENTTYPE_FD_READ),
  };
  OK(__wasi_poll_oneoff(both, events, 2, &count));
  HOLDS(count == 2 && events[0].error == 0 && events[1].error == 0);
  const __wasi_event_t *readable = &events[events[0].type != __WASI_EVENTTYPE_FD_READ];
  HOLDS(readable->type == __WASI_EVENTTYPE_FD_READ && readable->fd_readwrite.nbytes == 3);
  // Each descriptor answers for itself: libc's poll and Go's need that.
  OK(__wasi_poll_oneoff(both + 2, events, 1, &count));
  HOLDS(count == 1 && events[0].error == __WASI_ERRNO_BADF);
  close_fd(fd);
}

static void clock_time_get(__wasi_fd_t dir) {
  (void)dir;
  uint64_t first = 0;
  uint64_t second = 0;
  OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &first));
  OK(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &second));
  HOLDS(first <= second);
  WANT(INVAL, __wasi_clock_time_get(4, 0, &first));
}

static void big_random_buf(__wasi_fd_t dir) {
  (void)dir;
  size_t length = 300000;
  uint8_t *bytes = calloc(length, 1);
  size_t zeros = 0;
  OK(__wasi_random_get(bytes, 0));
  HOLDS(bytes[0] == 0);
  OK(__wasi_random_get(bytes, length));
  for (size_t i = 0; i < length; i++) zeros += bytes[i] == 0;
  HOLDS(zeros < length / 100);
  free(bytes);
}

static void sched_yield_once(__wasi_fd_t dir) {
  (void)dir;
  OK(__wasi_sched_yield());
}

static void sock_shutdown(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, READ);
  WANT(NOTSOCK, __wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
  close_fd(fd);
  WANT(NOTSOCK, __wasi_sock_shutdown(preopen, __WASI_SDFLAGS_RD));
  WANT(BADF, __wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
}

static void fd_write_to_invalid_fd(__wasi_fd_t dir) {
  (void)dir;
  size_t size = 0;
  WANT(BADF, __wasi_fd_write(-31337, NULL, 0, &size));
}

static void args_and_environ(__wasi_fd_t dir) {
  (void)dir;
  size_t count = 0;
  size_t bytes = 0;
  OK(__wasi_args_sizes_get(&count, &bytes));
  HOLDS(count >= 1 && bytes >= 1);
  OK(__wasi_environ_sizes_get(&count, &bytes));
  HOLDS(count == 0 && bytes == 0);
}

static void refuses_changes(__wasi_fd_t dir) {
  uint64_t before = path_filestat(dir, 0, "file").mtim;
  WANT(ROFS, try_open(dir, 0, "file", 0, READ | WRITE));
  WANT(ROFS, try_open(dir, 0, "file", 0, WRITE));
  WANT(ROFS, try_open(dir, 0, "file", TRUNC, READ));
  WANT(ROFS, try_open(dir, 0, "new", CREAT, 0));
  WANT(ROFS, __wasi_path_create_directory(dir, "new"));
  WANT(ROFS, __wasi_path_rename(dir, "file", dir, "new"));
  WANT(ROFS, __wasi_path_unlink_file(dir, "file"));
  WANT(ROFS, __wasi_path_remove_directory(dir, "sub"));
  WANT(ROFS, __wasi_path_symlink("file", dir, "new"));
  WANT(ROFS, __wasi_path_link(dir, 0, "file", dir, "new"));
  WANT(ROFS, __wasi_path_filestat_set_times(dir, 0, "file", 0, 1, __WASI_FSTFLAGS_MTIM));
  HOLDS(path_filestat(dir, 0, "file").mtim == before);
  HOLDS(path_filestat(dir, 0, "file").size == 4);
}

static void api_read_only(__wasi_fd_t dir) {
  size_t size = 0;
  if (read_only < 0) return;
  // Libraries ask for no more rights than these: opening to write is to fail, and not to do less.
  HOLDS((fdstat(read_only).fs_rights_inheriting & WRITE) != 0);
  __wasi_fd_t fd = opened(read_only, "file", 0, READ);
  HOLDS(reads_text(fd, "text"));
  HOLDS(seek(fd, 0, __WASI_WHENCE_SET) == 0);
  WANT(BADF, write_bytes(fd, "x", 1, &size));
  WANT(ROFS, __wasi_fd_filestat_set_size(fd, 0));
  WANT(ROFS, __wasi_fd_filestat_set_times(fd, 0, 1, __WASI_FSTFLAGS_MTIM));
  WANT(ROFS, __wasi_fd_allocate(fd, 0, 1000));
  close_fd(fd);
  refuses_changes(read_only);
  __wasi_fd_t again = opened(read_only, "sub/..", DIRECTORY, 0);
  refuses_changes(again);
  WANT(ROFS, __wasi_path_link(again, 0, "file", dir, "new"));
  WANT(ROFS, __wasi_path_rename(again, "file", dir, "new"));
  make_file(dir, "mine");
  WANT(ROFS, __wasi_path_link(dir, 0, "mine", again, "new"));
  WANT(ROFS, __wasi_path_rename(dir, "mine", again, "new"));
  close_fd(again);
}

static const struct test LIST[] = {
    {"poll_oneoff_stdio", poll_oneoff_stdio},
    {"poll_oneoff_files", poll_oneoff_files},
    {"clock_time_get", clock_time_get},
    {"big_random_buf, random_get", big_random_buf},
    {"sched_yield", sched_yield_once},
    {"sock_shutdown-not_sock, sock_shutdown-invalid_fd", sock_shutdown},
    {"fd_write-to-invalid-fd", fd_write_to_invalid_fd},
    {"args_sizes_get, environ_sizes_get", args_and_environ},
    {"api_read_only", api_read_only},
};

const struct tests OTHERS = {LIST, COUNT(LIST)};

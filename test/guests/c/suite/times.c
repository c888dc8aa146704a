// What is known of files: their kind and their times.
#include "suite.h"

static const __wasi_fstflags_t MTIM = __WASI_FSTFLAGS_MTIM;
static const __wasi_fstflags_t ATIM = __WASI_FSTFLAGS_ATIM;
static const __wasi_fstflags_t MTIMES = __WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_MTIM_NOW;
static const __wasi_fstflags_t ATIMES = __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW;

static void path_exists(__wasi_fd_t dir) {
  make_directory(dir, "dir");
  make_file(dir, "file");
  OK(__wasi_path_symlink("file", dir, "link"));
  OK(__wasi_path_symlink("dir", dir, "linkdir"));
  for (__wasi_lookupflags_t lookup = 0; lookup <= FOLLOW; lookup++) {
    HOLDS(path_filestat(dir, lookup, "dir").filetype == TYPE(DIRECTORY));
    HOLDS(path_filestat(dir, lookup, "file").filetype == TYPE(REGULAR_FILE));
  }
  HOLDS(path_filestat(dir, 0, "link").filetype == TYPE(SYMBOLIC_LINK));
  HOLDS(path_filestat(dir, 0, "linkdir").filetype == TYPE(SYMBOLIC_LINK));
  HOLDS(path_filestat(dir, FOLLOW, "link").filetype == TYPE(REGULAR_FILE));
  HOLDS(path_filestat(dir, FOLLOW, "linkdir").filetype == TYPE(DIRECTORY));
}

static void path_filestats(__wasi_fd_t dir) {
  __wasi_fd_t fd = -1;
  __wasi_fdflags_t flags = FLAG(APPEND) | FLAG(SYNC);
  OK(__wasi_path_open(dir, 0, "file", CREAT, READ | WRITE, 0, flags, &fd));
  HOLDS((fdstat(fd).fs_flags & flags) == flags);
  __wasi_filestat_t before = path_filestat(dir, 0, "file");
  HOLDS(before.size == 0);
  uint64_t mtim = before.mtim - 100;
  OK(__wasi_path_filestat_set_times(dir, 0, "file", 0, mtim, MTIM));
  HOLDS(path_filestat(dir, 0, "file").mtim == mtim);
  WANT(INVAL, __wasi_path_filestat_set_times(dir, 0, "file", 0, mtim - 1, MTIMES));
  WANT(INVAL, __wasi_path_filestat_set_times(dir, 0, "file", 0, mtim - 1, ATIMES));
  WANT(INVAL, __wasi_path_filestat_set_times(dir, 0, "file", 0, mtim - 1, 16));
  __wasi_filestat_t after = path_filestat(dir, 0, "file");
  HOLDS(after.mtim == mtim && after.atim == before.atim);
  OK(__wasi_path_filestat_set_times(dir, 0, "file", 1, 1, MTIM | ATIM));
  OK(__wasi_path_filestat_set_times(dir, 0, "file", 7, 7, __WASI_FSTFLAGS_ATIM_NOW));
  after = path_filestat(dir, 0, "file");
  HOLDS(after.mtim == 1 && after.atim >= before.atim);
  close_fd(fd);
}

static void fstflags_validate(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, READ);
  __wasi_filestat_t before = filestat(fd);
  WANT(INVAL, __wasi_fd_filestat_set_times(fd, 100, 200, MTIMES));
  WANT(INVAL, __wasi_fd_filestat_set_times(fd, 100, 200, ATIMES));
  WANT(INVAL, __wasi_fd_filestat_set_times(fd, 100, 200, 16));
  WANT(INVAL, __wasi_fd_filestat_set_times(preopen, 100, 200, MTIMES));
  HOLDS(filestat(fd).mtim == before.mtim && filestat(fd).atim == before.atim);
  close_fd(fd);
}

static void directory_times(__wasi_fd_t dir) {
  make_directory(dir, "dir");
  __wasi_fd_t fd = opened(dir, "dir", DIRECTORY, 0);
  OK(__wasi_fd_filestat_set_times(fd, 123456789, 987654321, ATIM | MTIM));
  HOLDS(filestat(fd).mtim == 987654321 && filestat(fd).atim == 123456789);
  OK(__wasi_fd_filestat_set_times(fd, 0, 0, 0));
  HOLDS(filestat(fd).mtim == 987654321 && filestat(fd).atim == 123456789);
  OK(__wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_MTIM_NOW));
  HOLDS(filestat(fd).mtim > 987654321 && filestat(fd).atim == 123456789);
  close_fd(fd);
}

static void symlink_filestat(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, WRITE);
  write_text(fd, "four");
  close_fd(fd);
  OK(__wasi_path_symlink("file", dir, "link"));
  __wasi_filestat_t target = path_filestat(dir, FOLLOW, "link");
  __wasi_filestat_t link = path_filestat(dir, 0, "link");
  HOLDS(target.filetype == TYPE(REGULAR_FILE) && target.size == 4);
  HOLDS(link.filetype == TYPE(SYMBOLIC_LINK) && link.size == 4 && link.ino != target.ino);
  OK(__wasi_path_filestat_set_times(dir, 0, "link", 0, link.mtim - 200, MTIM));
  HOLDS(path_filestat(dir, 0, "link").mtim == link.mtim - 200);
  HOLDS(path_filestat(dir, FOLLOW, "link").mtim == target.mtim);
  OK(__wasi_path_filestat_set_times(dir, FOLLOW, "link", 0, target.mtim - 300, MTIM));
  HOLDS(path_filestat(dir, FOLLOW, "link").mtim == target.mtim - 300);
  HOLDS(path_filestat(dir, 0, "file").mtim == target.mtim - 300);
  HOLDS(path_filestat(dir, 0, "link").mtim == link.mtim - 200);
}

static void stat_dev_ino(__wasi_fd_t dir) {
  make_file(dir, "one");
  make_file(dir, "two");
  __wasi_filestat_t one = path_filestat(dir, 0, "one");
  __wasi_filestat_t two = path_filestat(dir, 0, "two");
  HOLDS(one.dev == two.dev && one.ino != two.ino);
  __wasi_fd_t fd = opened(dir, "one", 0, READ);
  HOLDS(filestat(fd).dev == one.dev && filestat(fd).ino == one.ino);
  close_fd(fd);
}

static const struct test LIST[] = {
    {"path_exists", path_exists},
    {"path_filestat", path_filestats},
    {"fstflags_validate", fstflags_validate},
    {"fd_filestat_set_times of a directory", directory_times},
    {"symlink_filestat", symlink_filestat},
    {"stat-dev-ino", stat_dev_ino},
};

const struct tests TIMES = {LIST, COUNT(LIST)};

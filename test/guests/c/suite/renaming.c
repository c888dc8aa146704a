// path_rename.
#include "suite.h"

static void rename_ok(__wasi_fd_t dir, const char *from, const char *to) {
  want(__wasi_path_rename(dir, from, dir, to), __WASI_ERRNO_SUCCESS, from);
}

static void rename_directories(__wasi_fd_t dir) {
  make_directory(dir, "source");
  rename_ok(dir, "source", "target");
  WANT(NOENT, try_open(dir, 0, "source", DIRECTORY, 0));
  OK(try_open(dir, 0, "target", DIRECTORY, 0));
  remove_directory(dir, "target");
  make_directory(dir, "source");
  make_directory(dir, "target");
  rename_ok(dir, "source", "target");
  WANT(NOENT, try_open(dir, 0, "source", DIRECTORY, 0));
  make_directory(dir, "source");
  make_file(dir, "target/file");
  WANT(NOTEMPTY, __wasi_path_rename(dir, "source", dir, "target"));
  unlink_file(dir, "target/file");
  remove_directory(dir, "target");
  make_file(dir, "target");
  WANT(NOTDIR, __wasi_path_rename(dir, "source", dir, "target"));
  unlink_file(dir, "target");
  WANT(INVAL, __wasi_path_rename(dir, "source", dir, "source/inside"));
  remove_directory(dir, "source");
}

static void rename_files(__wasi_fd_t dir) {
  make_file(dir, "source");
  rename_ok(dir, "source", "target");
  WANT(NOENT, try_open(dir, 0, "source", 0, READ));
  OK(try_open(dir, 0, "target", 0, READ));
  make_file(dir, "source");
  rename_ok(dir, "source", "target");
  WANT(NOENT, try_open(dir, 0, "source", 0, READ));
  rename_ok(dir, "target", "target");
  unlink_file(dir, "target");
  make_file(dir, "source");
  make_directory(dir, "target");
  WANT(ISDIR, __wasi_path_rename(dir, "source", dir, "target"));
  OK(try_open(dir, 0, "source", 0, READ));
  remove_directory(dir, "target");
  unlink_file(dir, "source");
  WANT(NOENT, __wasi_path_rename(dir, "source", dir, "target"));
}

static void path_rename(__wasi_fd_t dir) {
  rename_directories(dir);
  rename_files(dir);
}

static void between_directories(__wasi_fd_t dir) {
  make_directory(dir, "one");
  make_directory(dir, "two");
  make_file(dir, "one/file");
  __wasi_fd_t one = opened(dir, "one", DIRECTORY, 0);
  __wasi_fd_t two = opened(dir, "two", DIRECTORY, 0);
  uint64_t ino = path_filestat(one, 0, "file").ino;
  OK(__wasi_path_rename(one, "file", two, "moved"));
  HOLDS(path_filestat(two, 0, "moved").ino == ino);
  WANT(NOENT, __wasi_path_unlink_file(one, "file"));
  close_fd(one);
  close_fd(two);
}

static void path_rename_dir_trailing_slashes(__wasi_fd_t dir) {
  make_directory(dir, "source");
  rename_ok(dir, "source/", "target");
  rename_ok(dir, "target", "source/");
  rename_ok(dir, "source/", "target/");
  remove_directory(dir, "target");
}

static void path_rename_file_trailing_slashes(__wasi_fd_t dir) {
  make_file(dir, "source");
  WANT(NOTDIR, __wasi_path_rename(dir, "source/", dir, "target"));
  WANT(NOTDIR, __wasi_path_rename(dir, "source", dir, "target/"));
  WANT(NOTDIR, __wasi_path_rename(dir, "source/", dir, "target/"));
  WANT(NOENT, try_open(dir, 0, "target", 0, READ));
  unlink_file(dir, "source");
}

static const struct test LIST[] = {
    {"path_rename", path_rename},
    {"path_rename between directories", between_directories},
    {"path_rename_dir_trailing_slashes", path_rename_dir_trailing_slashes},
    {"path_rename_file_trailing_slashes", path_rename_file_trailing_slashes},
};

const struct tests RENAMING = {LIST, COUNT(LIST)};

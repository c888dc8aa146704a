// path_link, path_symlink, path_readlink.
#include "suite.h"

static void check_same(__wasi_fd_t dir, const char *one, const char *other) {
  __wasi_fd_t a = opened(dir, one, 0, READ | WRITE);
  __wasi_fd_t b = opened(dir, other, 0, READ | WRITE);
  __wasi_fdstat_t stat_a = fdstat(a);
  __wasi_fdstat_t stat_b = fdstat(b);
  HOLDS(stat_a.fs_filetype == stat_b.fs_filetype && stat_a.fs_flags == stat_b.fs_flags);
  HOLDS(stat_a.fs_rights_base == stat_b.fs_rights_base);
  HOLDS(stat_a.fs_rights_inheriting == stat_b.fs_rights_inheriting);
  __wasi_filestat_t file_a = filestat(a);
  __wasi_filestat_t file_b = filestat(b);
  HOLDS(memcmp(&file_a, &file_b, sizeof file_a) == 0);
  close_fd(a);
  close_fd(b);
}

static void link_files(__wasi_fd_t dir) {
  make_file(dir, "file");
  OK(__wasi_path_link(dir, 0, "file", dir, "link"));
  check_same(dir, "file", "link");
  HOLDS(path_filestat(dir, 0, "file").nlink == 2);
  unlink_file(dir, "link");
  make_directory(dir, "subdir");
  __wasi_fd_t subdir = opened(dir, "subdir", DIRECTORY, 0);
  OK(__wasi_path_link(dir, 0, "file", subdir, "link"));
  check_same(dir, "file", "subdir/link");
  unlink_file(subdir, "link");
  close_fd(subdir);
  WANT(NOENT, __wasi_path_link(dir, 0, "file", dir, "link/"));
  WANT(NOENT, __wasi_path_link(dir, 0, "missing", dir, "link"));
  OK(__wasi_path_link(dir, 0, "file", dir, "link"));
  WANT(EXIST, __wasi_path_link(dir, 0, "file", dir, "link"));
  WANT(EXIST, __wasi_path_link(dir, 0, "file", dir, "file"));
  WANT(EXIST, __wasi_path_link(dir, 0, "file", dir, "subdir"));
  WANT(PERM, __wasi_path_link(dir, 0, "subdir", dir, "other"));
  unlink_file(dir, "link");
}

static void link_links(__wasi_fd_t dir) {
  OK(__wasi_path_symlink("missing", dir, "dangling"));
  OK(__wasi_path_link(dir, 0, "dangling", dir, "other"));
  HOLDS(path_filestat(dir, 0, "other").ino == path_filestat(dir, 0, "dangling").ino);
  HOLDS(path_filestat(dir, 0, "other").filetype == TYPE(SYMBOLIC_LINK));
  OK(__wasi_path_symlink("loop", dir, "loop"));
  OK(__wasi_path_link(dir, 0, "loop", dir, "spiral"));
  WANT(EXIST, __wasi_path_link(dir, 0, "file", dir, "dangling"));
  WANT(INVAL, __wasi_path_link(dir, FOLLOW, "dangling", dir, "new"));
  WANT(INVAL, __wasi_path_link(dir, FOLLOW, "file", dir, "new"));
}

static void path_link(__wasi_fd_t dir) {
  link_files(dir);
  link_links(dir);
}

static void symlink_create(__wasi_fd_t dir) {
  make_file(dir, "file");
  make_directory(dir, "dir");
  OK(__wasi_path_symlink("file", dir, "link"));
  OK(try_open(dir, FOLLOW, "link", 0, READ));
  OK(__wasi_path_symlink("dir", dir, "linkdir"));
  OK(try_open(dir, FOLLOW, "linkdir", DIRECTORY, 0));
  WANT(PERM, __wasi_path_symlink("/", dir, "root"));
  WANT(PERM, __wasi_path_symlink("/etc/passwd", dir, "root"));
  WANT(NOENT, __wasi_path_unlink_file(dir, "root"));
  // A link may be a text that leads out, as long as nobody goes there.
  OK(__wasi_path_symlink("../../out", dir, "out"));
  WANT(PERM, try_open(dir, FOLLOW, "out", 0, READ));
  WANT(PERM, try_open(dir, FOLLOW, "out", CREAT, READ | WRITE));
  HOLDS(path_filestat(dir, 0, "out").size == strlen("../../out"));
}

static void path_symlink_trailing_slashes(__wasi_fd_t dir) {
  WANT(NOENT, __wasi_path_symlink("source", dir, "target/"));
  make_directory(dir, "target");
  WANT(EXIST, __wasi_path_symlink("source", dir, "target/"));
  WANT(EXIST, __wasi_path_symlink("source", dir, "target"));
  remove_directory(dir, "target");
  make_file(dir, "target");
  WANT(NOTDIR, __wasi_path_symlink("source", dir, "target/"));
  WANT(EXIST, __wasi_path_symlink("source", dir, "target"));
  unlink_file(dir, "target");
}

static void readlink_sizes(__wasi_fd_t dir) {
  static const char NAMES[] = "\xc3\xa4\xe2\x82\xac";
  uint8_t bytes[10];
  size_t used = 99;
  OK(__wasi_path_symlink("target", dir, "link"));
  memset(bytes, '-', sizeof bytes);
  OK(__wasi_path_readlink(dir, "link", bytes, sizeof bytes, &used));
  HOLDS(used == 6 && memcmp(bytes, "target----", 10) == 0);
  memset(bytes, '-', sizeof bytes);
  OK(__wasi_path_readlink(dir, "link", bytes, 4, &used));
  HOLDS(used == 4 && memcmp(bytes, "targ------", 10) == 0);
  OK(__wasi_path_readlink(dir, "link", bytes, 0, &used));
  HOLDS(used == 0);
  OK(__wasi_path_symlink(NAMES, dir, "unicode"));
  for (size_t room = 0; room <= strlen(NAMES); room++) {
    OK(__wasi_path_readlink(dir, "unicode", bytes, room, &used));
    HOLDS(used == room && memcmp(bytes, NAMES, room) == 0);
  }
  make_file(dir, "file");
  WANT(INVAL, __wasi_path_readlink(dir, "file", bytes, sizeof bytes, &used));
  WANT(NOENT, __wasi_path_readlink(dir, "missing", bytes, sizeof bytes, &used));
}

static const struct test LIST[] = {
    {"path_link", path_link},
    {"symlink_create", symlink_create},
    {"path_symlink_trailing_slashes", path_symlink_trailing_slashes},
    {"readlink", readlink_sizes},
};

const struct tests LINKS = {LIST, COUNT(LIST)};

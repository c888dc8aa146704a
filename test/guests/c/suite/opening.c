// path_open: what it opens, creates, follows and refuses.
#include "suite.h"

#include <stdio.h>
#include <unistd.h>

// With a length, so that a NUL can stand in the path.
__attribute__((import_module("wasi_snapshot_preview1"), import_name("path_open"))) int32_t
path_open_bytes(__wasi_fd_t dir, int lookup, const char *path, size_t length, int oflags,
                __wasi_rights_t rights, __wasi_rights_t inheriting, int fdflags, __wasi_fd_t *fd);

static const __wasi_rights_t DIRECTORY_RIGHTS =
    RIGHT(PATH_CREATE_DIRECTORY) | RIGHT(PATH_CREATE_FILE) | RIGHT(PATH_LINK_SOURCE) |
    RIGHT(PATH_LINK_TARGET) | RIGHT(PATH_OPEN) | RIGHT(FD_READDIR) | RIGHT(PATH_READLINK) |
    RIGHT(PATH_RENAME_SOURCE) | RIGHT(PATH_RENAME_TARGET) | RIGHT(PATH_SYMLINK) |
    RIGHT(PATH_REMOVE_DIRECTORY) | RIGHT(PATH_UNLINK_FILE) | RIGHT(PATH_FILESTAT_GET) |
    RIGHT(PATH_FILESTAT_SET_TIMES) | RIGHT(FD_FILESTAT_GET) | RIGHT(FD_FILESTAT_SET_TIMES);

static const __wasi_rights_t FILE_RIGHTS =
    RIGHT(FD_DATASYNC) | READ | RIGHT(FD_SEEK) | RIGHT(FD_FDSTAT_SET_FLAGS) | RIGHT(FD_SYNC) |
    RIGHT(FD_TELL) | WRITE | RIGHT(FD_ADVISE) | RIGHT(FD_ALLOCATE) | RIGHT(FD_FILESTAT_SET_SIZE) |
    RIGHT(POLL_FD_READWRITE);

static void create_tmp_dir(__wasi_fd_t dir) {
  __wasi_fd_t fd = -1;
  make_directory(dir, "tmp");
  __wasi_rights_t inheriting = READ | WRITE | RIGHT(FD_SEEK) | RIGHT(FD_TELL);
  OK(__wasi_path_open(dir, 0, "tmp", DIRECTORY, DIRECTORY_RIGHTS, inheriting, 0, &fd));
  make_file(fd, "file");
  unlink_file(fd, "file");
  close_fd(fd);
  remove_directory(dir, "tmp");
}

static void path_open_preopen(__wasi_fd_t dir) {
  (void)dir;
  __wasi_fd_t fd = -1;
  __wasi_fdstat_t stat = fdstat(preopen);
  __wasi_rights_t base = stat.fs_rights_base;
  __wasi_rights_t inheriting = stat.fs_rights_inheriting;
  HOLDS(stat.fs_filetype == TYPE(DIRECTORY));
  HOLDS((base & DIRECTORY_RIGHTS) == DIRECTORY_RIGHTS);
  HOLDS((inheriting & DIRECTORY_RIGHTS) == DIRECTORY_RIGHTS);
  HOLDS((inheriting & FILE_RIGHTS) == FILE_RIGHTS);
  OK(__wasi_path_open(preopen, 0, ".", 0, base, inheriting, 0, &fd));
  close_fd(fd);
  OK(try_open(preopen, 0, ".", 0, 0));
  OK(try_open(preopen, 0, ".", DIRECTORY, 0));
  OK(try_open(preopen, 0, ".", DIRECTORY, READ));
  WANT(ISDIR, try_open(preopen, 0, ".", DIRECTORY, READ | WRITE));
  WANT(ISDIR, try_open(preopen, 0, ".", 0, READ | WRITE));
}

static void path_open_read_write(__wasi_fd_t dir) {
  char byte = 'x';
  size_t size = 0;
  make_file(dir, "file");
  __wasi_fd_t fd = opened(dir, "file", 0, READ);
  HOLDS((fdstat(fd).fs_rights_base & READ) != 0);
  HOLDS((fdstat(fd).fs_rights_base & WRITE) == 0);
  OK(read_bytes(fd, &byte, 1, &size));
  HOLDS(size == 0);
  WANT(BADF, write_bytes(fd, &byte, 1, &size));
  close_fd(fd);
  fd = opened(dir, "file", 0, WRITE);
  HOLDS((fdstat(fd).fs_rights_base & (READ | RIGHT(FD_READDIR))) == 0);
  HOLDS((fdstat(fd).fs_rights_base & WRITE) != 0);
  WANT(BADF, read_bytes(fd, &byte, 1, &size));
  OK(write_bytes(fd, &byte, 1, &size));
  close_fd(fd);
  fd = opened(dir, "file", 0, READ | WRITE);
  HOLDS((fdstat(fd).fs_rights_base & (READ | WRITE)) == (READ | WRITE));
  HOLDS(reads_text(fd, "x"));
  close_fd(fd);
}

static void path_open_create_existing(__wasi_fd_t dir) {
  make_file(dir, "file");
  WANT(EXIST, try_open(dir, 0, "file", CREAT | EXCL, 0));
}

static void path_open_missing(__wasi_fd_t dir) {
  WANT(NOENT, try_open(dir, 0, "file", 0, 0));
  WANT(NOENT, try_open(dir, 0, "file", 0, READ | WRITE));
  WANT(NOENT, try_open(dir, 0, "file", DIRECTORY, 0));
}

static void path_open_nonblock(__wasi_fd_t dir) {
  __wasi_fd_t fd = -1;
  OK(__wasi_path_open(dir, 0, ".", 0, 0, 0, FLAG(NONBLOCK), &fd));
  close_fd(fd);
}

static void path_open_dirfd_not_dir(__wasi_fd_t dir) {
  __wasi_fd_t file = opened(dir, "file", CREAT, 0);
  WANT(NOTDIR, try_open(file, 0, "foo", CREAT, 0));
  WANT(NOTDIR, try_open(file, 0, ".", 0, 0));
  close_fd(file);
}

static void path_open_lots(__wasi_fd_t dir) {
  char byte;
  size_t size = 0;
  make_file(dir, "file");
  make_directory(dir, "dir");
  for (int i = 0; i < 2000; i++) {
    __wasi_fd_t file = opened(dir, "file", 0, READ);
    OK(read_bytes(file, &byte, 1, &size));
    close_fd(file);
    OK(try_open(dir, 0, "dir", DIRECTORY, 0));
  }
}

static void dangling_fd(__wasi_fd_t dir) {
  for (int i = 0; i < 3; i++) {
    __wasi_fd_t fd = opened(dir, "file", CREAT, 0);
    close_fd(fd);
    unlink_file(dir, "file");
    fd = opened(dir, "file", CREAT, 0);
    unlink_file(dir, "file");
    HOLDS(filestat(fd).nlink == 0);
    close_fd(fd);
    make_directory(dir, "sub");
    fd = opened(dir, "sub", DIRECTORY, 0);
    remove_directory(dir, "sub");
    WANT(NOENT, try_open(fd, 0, "file", CREAT, 0));
    close_fd(fd);
  }
}

static void dangling_symlink(__wasi_fd_t dir) {
  OK(__wasi_path_symlink("target", dir, "link"));
  WANT(NOTDIR, try_open(dir, 0, "link", DIRECTORY, 0));
  WANT(LOOP, try_open(dir, 0, "link", 0, 0));
  WANT(LOOP, try_open(dir, 0, "link", CREAT, 0));
  WANT(EXIST, try_open(dir, 0, "link", CREAT | EXCL, 0));
  WANT(NOENT, try_open(dir, FOLLOW, "link", 0, 0));
}

static void nofollow_errors(__wasi_fd_t dir) {
  make_directory(dir, "target");
  OK(__wasi_path_symlink("target", dir, "link"));
  WANT(NOTDIR, try_open(dir, 0, "link", DIRECTORY, 0));
  WANT(LOOP, try_open(dir, 0, "link", 0, 0));
  OK(try_open(dir, FOLLOW, "link", DIRECTORY, 0));
  remove_directory(dir, "target");
  make_file(dir, "target");
  WANT(NOTDIR, try_open(dir, 0, "link", DIRECTORY, 0));
  WANT(LOOP, try_open(dir, 0, "link", 0, 0));
  WANT(NOTDIR, try_open(dir, FOLLOW, "link", DIRECTORY, 0));
  unlink_file(dir, "link");
  OK(try_open(dir, 0, "target", 0, READ));
}

static void symlink_loop(__wasi_fd_t dir) {
  OK(__wasi_path_symlink("link", dir, "link"));
  WANT(LOOP, try_open(dir, 0, "link", 0, 0));
  WANT(LOOP, try_open(dir, FOLLOW, "link", 0, 0));
}

static void interesting_paths(__wasi_fd_t dir) {
  __wasi_fd_t fd = -1;
  char out[300];
  make_directory(dir, "dir");
  make_directory(dir, "dir/nested");
  make_file(dir, "dir/nested/file");
  WANT(PERM, try_open(dir, 0, "/dir/nested/file", 0, 0));
  WANT(PERM, try_open(dir, 0, "/", 0, 0));
  OK(try_open(dir, 0, "dir/.//nested/../../dir/nested/../nested///./file", 0, 0));
  WANT(INVAL, path_open_bytes(dir, 0, "dir/nested/file", 16, 0, 0, 0, 0, &fd));
  WANT(NOTDIR, try_open(dir, 0, "dir/nested/file/", 0, 0));
  WANT(NOTDIR, try_open(dir, 0, "dir/nested/file///", 0, 0));
  OK(try_open(dir, 0, "dir/nested/", 0, 0));
  OK(try_open(dir, 0, "dir/nested///", 0, 0));
  snprintf(out, sizeof out, "dir/nested/../../../%s/dir/nested/file", preopen_name);
  WANT(PERM, try_open(dir, 0, out, 0, 0));
  WANT(PERM, try_open(dir, 0, "..", DIRECTORY, 0));
  WANT(PERM, try_open(dir, 0, "../interesting_paths.cleanup", DIRECTORY, 0));
  WANT(PERM, try_open(dir, 0, "../new", CREAT, 0));
  WANT(PERM, __wasi_path_create_directory(dir, "../new"));
  WANT(PERM, __wasi_path_remove_directory(dir, "../new"));
  WANT(PERM, __wasi_path_unlink_file(dir, "../new"));
  WANT(PERM, __wasi_path_rename(dir, "dir", dir, "../new"));
  WANT(PERM, __wasi_path_link(dir, 0, "dir/nested/file", dir, "../new"));
  WANT(PERM, __wasi_path_symlink("dir", dir, "../new"));
  WANT(NOENT, try_open(dir, 0, "", 0, 0));
}

static void directory_seek(__wasi_fd_t dir) {
  uint64_t position = 0;
  __wasi_fd_t fd = opened(dir, ".", DIRECTORY, RIGHT(FD_SEEK));
  WANT(BADF, __wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &position));
  HOLDS(fdstat(fd).fs_filetype == TYPE(DIRECTORY));
  HOLDS((fdstat(fd).fs_rights_base & RIGHT(FD_SEEK)) == 0);
  close_fd(fd);
}

static void truncation_rights(__wasi_fd_t dir) {
  __wasi_fdstat_t stat = fdstat(preopen);
  HOLDS(stat.fs_flags == 0);
  HOLDS((stat.fs_rights_base & RIGHT(FD_FILESTAT_SET_SIZE)) == 0);
  // Who reports this right must enforce it.
  HOLDS((stat.fs_rights_base & RIGHT(PATH_FILESTAT_SET_SIZE)) == 0);
  HOLDS((stat.fs_rights_inheriting & RIGHT(PATH_FILESTAT_SET_SIZE)) == 0);
  __wasi_fd_t fd = opened(dir, "file", CREAT, WRITE);
  write_text(fd, "text");
  close_fd(fd);
  OK(try_open(dir, 0, "file", TRUNC, 0));
  HOLDS(path_filestat(dir, 0, "file").size == 0);
}

static void file_truncation(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, READ | WRITE);
  write_text(fd, "this is text");
  close_fd(fd);
  fd = opened(dir, "file", CREAT | TRUNC, READ | WRITE);
  HOLDS(reads_text(fd, ""));
  close_fd(fd);
}

static void no_terminals(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, 0);
  HOLDS(isatty(fd) == 0);
  close_fd(fd);
  HOLDS(isatty(STDOUT_FILENO) == 0 && isatty(STDERR_FILENO) == 0);
}

static void create_directory_flags(__wasi_fd_t dir) {
  make_directory(dir, "dir");
  WANT(INVAL, try_open(dir, 0, "dir", CREAT | DIRECTORY, 0));
  WANT(INVAL, try_open(dir, 0, "new", CREAT | DIRECTORY, 0));
  WANT(ISDIR, try_open(dir, 0, "dir", CREAT, READ | WRITE));
  WANT(INVAL, try_open(dir, 0, "dir", 16, 0));
  WANT(INVAL, try_open(dir, 2, "dir", 0, 0));
}

static const struct test LIST[] = {
    {"create_tmp_dir", create_tmp_dir},
    {"path_open_preopen", path_open_preopen},
    {"path_open_read_write", path_open_read_write},
    {"path_open_create_existing", path_open_create_existing},
    {"path_open_missing", path_open_missing},
    {"path_open_nonblock", path_open_nonblock},
    {"path_open_dirfd_not_dir", path_open_dirfd_not_dir},
    {"path_open_lots", path_open_lots},
    {"dangling_fd", dangling_fd},
    {"dangling_symlink", dangling_symlink},
    {"nofollow_errors", nofollow_errors},
    {"symlink_loop", symlink_loop},
    {"interesting_paths", interesting_paths},
    {"directory_seek", directory_seek},
    {"truncation_rights", truncation_rights},
    {"file_truncation", file_truncation},
    {"isatty", no_terminals},
    {"create_directory_flags", create_directory_flags},
};

const struct tests OPENING = {LIST, COUNT(LIST)};

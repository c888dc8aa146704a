// The calls of files.h in WASI preview1, and nothing else: the same module runs in every host.
#include "files.h"

#include <string.h>
#include <wasi/api.h>

// The first directory that a guest is given.
#define FOLDER 3

static __wasi_dircookie_t cookie;

void folder_open(const char *path) { (void)path; }

static int opened(const char *name, __wasi_oflags_t oflags, __wasi_rights_t rights) {
  __wasi_fd_t fd;
  __wasi_errno_t error = __wasi_path_open(FOLDER, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, name, oflags,
                                          rights, 0, 0, &fd);
  return error ? -1 : (int)fd;
}

int file_open(const char *name, enum purpose purpose) {
  switch (purpose) {
    case TO_READ: return opened(name, 0, __WASI_RIGHTS_FD_READ);
    case TO_CREATE:
      return opened(name, __WASI_OFLAGS_CREAT | __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_WRITE);
    case TO_LIST: return opened(name, __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR);
  }
  return -1;
}

int file_close(int fd) { return __wasi_fd_close(fd) ? -1 : 0; }

int file_read(int fd, uint8_t *bytes, size_t length) {
  __wasi_iovec_t iov = {.buf = bytes, .buf_len = length};
  __wasi_size_t done;
  return __wasi_fd_read(fd, &iov, 1, &done) ? -1 : (int)done;
}

int file_write(int fd, const uint8_t *bytes, size_t length) {
  __wasi_ciovec_t iov = {.buf = bytes, .buf_len = length};
  __wasi_size_t done;
  return __wasi_fd_write(fd, &iov, 1, &done) ? -1 : (int)done;
}

int64_t file_size(const char *name) {
  __wasi_filestat_t status;
  __wasi_errno_t error =
      __wasi_path_filestat_get(FOLDER, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, name, &status);
  return error ? -1 : (int64_t)status.size;
}

// An entry whose end is cut off does not count: it is the first of the next buffer.
int folder_read(int fd, uint8_t *bytes, size_t length, int from_start) {
  if (from_start) cookie = __WASI_DIRCOOKIE_START;
  __wasi_size_t filled;
  if (__wasi_fd_readdir(fd, bytes, length, cookie, &filled)) return -1;
  int count = 0;
  for (size_t at = 0; at + sizeof(__wasi_dirent_t) <= filled; count++) {
    __wasi_dirent_t entry;
    memcpy(&entry, bytes + at, sizeof entry);
    at += sizeof entry + entry.d_namlen;
    if (at > filled) break;
    cookie = entry.d_next;
  }
  return count;
}

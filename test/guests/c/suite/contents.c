// What is in files: reading, writing, places in them, their size.
#include "suite.h"

#include <stdlib.h>

static const __wasi_rights_t BOTH = READ | WRITE | RIGHT(FD_SEEK) | RIGHT(FD_TELL);

static uint64_t tell(__wasi_fd_t fd) {
  uint64_t position = UINT64_MAX;
  OK(__wasi_fd_tell(fd, &position));
  return position;
}

static void file_pread_pwrite(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, BOTH);
  uint8_t bytes[8] = {0};
  size_t size = 0;
  __wasi_ciovec_t out[] = {{(const uint8_t *)"01", 2}, {(const uint8_t *)"23", 2}};
  OK(__wasi_fd_pwrite(fd, out, 2, 0, &size));
  HOLDS(size == 4);
  OK(pread_bytes(fd, bytes, 4, 0, &size));
  HOLDS(size == 4 && memcmp(bytes, "0123", 4) == 0);
  __wasi_iovec_t in[] = {{bytes, 2}, {bytes + 4, 2}};
  OK(__wasi_fd_pread(fd, in, 2, 0, &size));
  HOLDS(size == 4 && memcmp(bytes, "01", 2) == 0 && memcmp(bytes + 4, "23", 2) == 0);
  OK(__wasi_fd_pread(fd, in, 2, 2, &size));
  HOLDS(size == 2 && memcmp(bytes, "23", 2) == 0);
  OK(pwrite_bytes(fd, "ab", 2, 1, &size));
  OK(pread_bytes(fd, bytes, 8, 0, &size));
  HOLDS(size == 4 && memcmp(bytes, "0ab3", 4) == 0);
  HOLDS(tell(fd) == 0);
  WANT(INVAL, pread_bytes(fd, bytes, 1, (uint64_t)1 << 63, &size));
  WANT(INVAL, pwrite_bytes(fd, bytes, 1, (uint64_t)1 << 63, &size));
  OK(__wasi_fd_read(fd, in, 0, &size));
  HOLDS(size == 0);
  close_fd(fd);
}

static void file_seek_tell(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, BOTH);
  uint8_t bytes[100] = {1};
  uint64_t position = 0;
  size_t size = 0;
  HOLDS(tell(fd) == 0);
  OK(write_bytes(fd, bytes, sizeof bytes, &size));
  HOLDS(size == 100 && tell(fd) == 100);
  HOLDS(seek(fd, -50, __WASI_WHENCE_CUR) == 50);
  HOLDS(seek(fd, 0, __WASI_WHENCE_SET) == 0);
  HOLDS(seek(fd, 1000, __WASI_WHENCE_CUR) == 1000);
  WANT(INVAL, __wasi_fd_seek(fd, -2000, __WASI_WHENCE_CUR, &position));
  WANT(INVAL, __wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &position));
  WANT(INVAL, __wasi_fd_seek(fd, 0, 3, &position));
  HOLDS(seek(fd, -1, __WASI_WHENCE_END) == 99);
  seek(fd, 0, __WASI_WHENCE_SET);
  OK(read_bytes(fd, bytes, sizeof bytes, &size));
  HOLDS(size == 100 && tell(fd) == 100);
  close_fd(fd);
}

static void read_and_write(__wasi_fd_t dir, int fdflags) {
  __wasi_fd_t fd = -1;
  size_t size = 9;
  OK(__wasi_path_open(dir, 0, "file", CREAT | TRUNC, BOTH, 0, fdflags, &fd));
  seek(fd, 2, __WASI_WHENCE_SET);
  OK(write_bytes(fd, "", 0, &size));
  HOLDS(size == 0 && tell(fd) == 2 && filestat(fd).size == 0);
  seek(fd, 50, __WASI_WHENCE_SET);
  OK(write_bytes(fd, "x", 1, &size));
  HOLDS(size == 1 && tell(fd) == 51 && filestat(fd).size == 51);
  close_fd(fd);
}

static void file_read_write(__wasi_fd_t dir) {
  read_and_write(dir, 0);
  read_and_write(dir, FLAG(NONBLOCK));
}

static void file_write(__wasi_fd_t dir) {
  size_t bytes = 1 << 16;
  uint8_t *buffer = malloc(bytes);
  memset(buffer, 'x', bytes);
  __wasi_fd_t fd = opened(dir, "file", CREAT, WRITE);
  size_t size = 0;
  OK(write_bytes(fd, buffer, bytes, &size));
  HOLDS(size == bytes && filestat(fd).size == bytes);
  close_fd(fd);
  free(buffer);
  fd = opened(dir, "file", 0, READ);
  WANT(BADF, write_bytes(fd, (const void *)3, 0, &size));
  close_fd(fd);
}

static void file_unbuffered_write(__wasi_fd_t dir) {
  __wasi_fd_t reader = opened(dir, "file", CREAT, READ);
  __wasi_fd_t writer = opened(dir, "file", 0, WRITE);
  write_text(writer, "text");
  HOLDS(reads_text(reader, "text"));
  close_fd(writer);
  close_fd(reader);
}

static void file_allocate(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, BOTH | RIGHT(FD_ALLOCATE));
  OK(__wasi_fd_allocate(fd, 0, 100));
  HOLDS(filestat(fd).size == 100);
  OK(__wasi_fd_allocate(fd, 10, 10));
  HOLDS(filestat(fd).size == 100);
  OK(__wasi_fd_allocate(fd, 90, 20));
  HOLDS(filestat(fd).size == 110);
  WANT(INVAL, __wasi_fd_allocate(fd, 0, 0));
  WANT(INVAL, __wasi_fd_allocate(fd, (uint64_t)1 << 63, 1));
  WANT(INVAL, __wasi_fd_allocate(fd, 0, UINT64_MAX));
  close_fd(fd);
}

static void fd_advise(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, BOTH);
  OK(__wasi_fd_filestat_set_size(fd, 100));
  HOLDS(filestat(fd).size == 100);
  OK(__wasi_fd_advise(fd, 10, 50, __WASI_ADVICE_NORMAL));
  HOLDS(filestat(fd).size == 100);
  OK(__wasi_fd_allocate(fd, 100, 100));
  HOLDS(filestat(fd).size == 200);
  for (int advice = 0; advice <= __WASI_ADVICE_NOREUSE; advice++) {
    OK(__wasi_fd_advise(fd, 0, 0, advice));
  }
  WANT(INVAL, __wasi_fd_advise(fd, 0, 0, 6));
  close_fd(fd);
}

static void fd_flags_set(__wasi_fd_t dir) {
  __wasi_fd_t fd = -1;
  uint8_t bytes[100];
  size_t size = 0;
  OK(__wasi_path_open(dir, 0, "file", CREAT, BOTH, 0, FLAG(APPEND), &fd));
  HOLDS((fdstat(fd).fs_flags & FLAG(APPEND)) != 0);
  memset(bytes, 'a', sizeof bytes);
  OK(write_bytes(fd, bytes, sizeof bytes, &size));
  HOLDS(seek(fd, 0, __WASI_WHENCE_SET) == 0);
  OK(read_bytes(fd, bytes, sizeof bytes, &size));
  HOLDS(size == 100 && bytes[0] == 'a' && bytes[99] == 'a');
  HOLDS(seek(fd, 0, __WASI_WHENCE_SET) == 0);
  memset(bytes, 'b', sizeof bytes);
  OK(write_bytes(fd, bytes, sizeof bytes, &size));
  OK(pread_bytes(fd, bytes, sizeof bytes, 0, &size));
  HOLDS(bytes[0] == 'a' && bytes[99] == 'a');
  OK(pread_bytes(fd, bytes, sizeof bytes, 100, &size));
  HOLDS(bytes[0] == 'b' && bytes[99] == 'b');
  OK(__wasi_fd_fdstat_set_flags(fd, 0));
  HOLDS((fdstat(fd).fs_flags & FLAG(APPEND)) == 0);
  HOLDS(seek(fd, 0, __WASI_WHENCE_SET) == 0);
  memset(bytes, 'c', sizeof bytes);
  OK(write_bytes(fd, bytes, sizeof bytes, &size));
  OK(pread_bytes(fd, bytes, sizeof bytes, 0, &size));
  HOLDS(bytes[0] == 'c' && bytes[99] == 'c');
  HOLDS(filestat(fd).size == 200);
  close_fd(fd);
}

static void fd_filestat_set(__wasi_fd_t dir) {
  __wasi_fd_t fd = opened(dir, "file", CREAT, BOTH);
  HOLDS(filestat(fd).size == 0);
  OK(__wasi_fd_filestat_set_size(fd, 100));
  __wasi_filestat_t before = filestat(fd);
  HOLDS(before.size == 100);
  uint64_t mtim = before.mtim - 100;
  OK(__wasi_fd_filestat_set_times(fd, 7, mtim, __WASI_FSTFLAGS_MTIM));
  __wasi_filestat_t after = filestat(fd);
  HOLDS(after.size == 100 && after.mtim == mtim && after.atim == before.atim);
  close_fd(fd);
  fd = opened(dir, "file", 0, READ);
  WANT(INVAL, __wasi_fd_filestat_set_size(fd, 200));
  HOLDS(filestat(fd).size == 100);
  OK(__wasi_fd_filestat_set_times(fd, 0, mtim - 1, __WASI_FSTFLAGS_MTIM));
  HOLDS(filestat(fd).mtim == mtim - 1);
  close_fd(fd);
}

static void pwrite_with_append(__wasi_fd_t dir) {
  __wasi_fd_t fd = -1;
  size_t size = 0;
  OK(__wasi_path_open(dir, 0, "file", CREAT, BOTH, 0, FLAG(APPEND), &fd));
  seek(fd, 0, __WASI_WHENCE_SET);
  write_text(fd, "abcd");
  HOLDS(tell(fd) == 4);
  OK(pwrite_bytes(fd, "xyz", 3, 0, &size));
  HOLDS(size == 3 && tell(fd) == 4);
  // As Linux has it; POSIX would have 4.
  HOLDS(filestat(fd).size == 7);
  close_fd(fd);
}

static void pread_pwrite_with_access(__wasi_fd_t dir) {
  uint8_t bytes[4];
  size_t size = 0;
  __wasi_fd_t writer = opened(dir, "file", CREAT, WRITE);
  OK(pwrite_bytes(writer, "1234", 4, 0, &size));
  WANT(BADF, pread_bytes(writer, bytes, 4, 0, &size));
  close_fd(writer);
  __wasi_fd_t reader = opened(dir, "file", 0, READ);
  OK(pread_bytes(reader, bytes, 4, 1, &size));
  HOLDS(size == 3 && memcmp(bytes, "234", 3) == 0);
  WANT(BADF, pwrite_bytes(reader, "1", 1, 0, &size));
  close_fd(reader);
}

static const struct test LIST[] = {
    {"file_pread_pwrite", file_pread_pwrite},
    {"file_seek_tell", file_seek_tell},
    {"file_read_write", file_read_write},
    {"file_write", file_write},
    {"file_unbuffered_write", file_unbuffered_write},
    {"file_allocate", file_allocate},
    {"fd_advise", fd_advise},
    {"fd_flags_set", fd_flags_set},
    {"fd_filestat_set", fd_filestat_set},
    {"pwrite-with-append", pwrite_with_append},
    {"pread-with-access, pwrite-with-access", pread_pwrite_with_access},
};

const struct tests CONTENTS = {LIST, COUNT(LIST)};

// The calls of files.h on Linux, every path resolved beneath the folder as the sandbox does it.
#include "common.h"
#include "files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int folder;

struct entry {
  uint64_t ino;
  int64_t next;
  uint16_t length;
  uint8_t type;
  char name[];
};

void folder_open(const char *path) {
  folder = open(path ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) die("open");
}

static int open_beneath(const char *name, uint64_t flags) {
  struct open_how how = {
      .flags = flags | O_CLOEXEC,
      .mode = flags & O_CREAT ? 0666 : 0,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

int file_open(const char *name, enum purpose purpose) {
  switch (purpose) {
    case TO_READ: return open_beneath(name, O_RDONLY);
    case TO_CREATE: return open_beneath(name, O_WRONLY | O_CREAT | O_TRUNC);
    case TO_LIST: return open_beneath(name, O_RDONLY | O_DIRECTORY);
  }
  return -1;
}

int file_close(int fd) { return close(fd); }

int file_read(int fd, uint8_t *bytes, size_t length) { return (int)read(fd, bytes, length); }

int file_write(int fd, const uint8_t *bytes, size_t length) {
  return (int)write(fd, bytes, length);
}

int64_t file_size(const char *name) {
  int fd = open_beneath(name, O_PATH);
  if (fd < 0) return -1;
  struct stat status;
  int result = fstat(fd, &status);
  close(fd);
  return result < 0 ? -1 : status.st_size;
}

int folder_read(int fd, uint8_t *bytes, size_t length, int from_start) {
  if (from_start && lseek(fd, 0, SEEK_SET) < 0) return -1;
  long filled = syscall(SYS_getdents64, fd, bytes, length);
  int count = filled < 0 ? -1 : 0;
  for (long at = 0; at < filled; at += ((struct entry *)(void *)(bytes + at))->length) count++;
  return count;
}

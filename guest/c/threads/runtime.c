// What a threaded program has of libc: Debian's wasi-libc is built for one thread, and the linker
// rightly keeps it out of a shared memory.
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define P1(name) \
  __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int p1_##name

struct iovec32 {
  void *buffer;
  size_t bytes;
};

P1(args_sizes_get)(int *count, size_t *bytes);
P1(args_get)(char **arguments, char *text);
P1(fd_close)(int fd);
P1(fd_read)(int fd, const struct iovec32 *iovs, int count, ssize_t *size);
P1(fd_write)(int fd, const struct iovec32 *iovs, int count, ssize_t *size);
__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_exit"), noreturn)) void
p1_proc_exit(int code);

#define ARGUMENTS_MAX 32
#define ARGUMENTS_BYTES 4096

_Thread_local int errno;

void exit(int code) { p1_proc_exit(code); }

_Noreturn void abort(void) { __builtin_trap(); }

int close(int fd) {
  errno = p1_fd_close(fd);
  return errno == 0 ? 0 : -1;
}

ssize_t read(int fd, void *buffer, size_t bytes) {
  struct iovec32 iov = {buffer, bytes};
  ssize_t size = -1;
  int error = p1_fd_read(fd, &iov, 1, &size);
  if (error != 0) errno = error;
  return error == 0 ? size : -1;
}

ssize_t write(int fd, const void *buffer, size_t bytes) {
  struct iovec32 iov = {(void *)buffer, bytes};
  ssize_t size = -1;
  int error = p1_fd_write(fd, &iov, 1, &size);
  if (error != 0) errno = error;
  return error == 0 ? size : -1;
}

// The compiler makes `memory.copy` and `memory.fill` of these.
void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  return __builtin_memcpy(to, from, bytes);
}

void *memmove(void *to, const void *from, size_t bytes) {
  return __builtin_memmove(to, from, bytes);
}

void *memset(void *to, int byte, size_t bytes) { return __builtin_memset(to, byte, bytes); }

size_t strlen(const char *text) {
  size_t bytes = 0;
  while (text[bytes] != '\0') bytes++;
  return bytes;
}

// What the compiler makes of a `main` with and without parameters: a program has one of them.
__attribute__((weak)) int __main_argc_argv(int argc, char **argv);

__attribute__((weak)) int __main_void(void) {
  static char *arguments[ARGUMENTS_MAX + 1];
  static char text[ARGUMENTS_BYTES];
  int count = 0;
  size_t bytes = 0;
  if (p1_args_sizes_get(&count, &bytes) != 0) abort();
  if (count > ARGUMENTS_MAX || bytes > sizeof text || p1_args_get(arguments, text) != 0) abort();
  return __main_argc_argv(count, arguments);
}

__attribute__((export_name("_start"))) void _start(void) { exit(__main_void()); }

// Module `sandpoll`, version 1, as the host has it: every function returns a WASI errno, which is
// the numbering of wasi-libc's <errno.h> too.
#pragma once
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define IMPORT(name) \
  __attribute__((import_module("sandpoll"), import_name(#name))) int sandpoll_##name

// Nanoseconds of 64 bits, where wasi-libc's `long` has 32.
struct timespec64 {
  int64_t seconds;
  int64_t nanoseconds;
};

// 0 for success; otherwise errno is set, and it is -1.
static inline int status(int error) {
  if (error == 0) return 0;
  errno = error;
  return -1;
}

// What the call wrote to `result`, unless it failed.
static inline int outcome(int error, int result) { return status(error) < 0 ? -1 : result; }

// Reading another process's CPU time when none of it is still unaccounted for.
#pragma once
#include "common.h"

#define SETTLE_STEP_NS 4000000u
#define SETTLE_BUSY_NS 200000u
#define SETTLE_STEPS_MAX 750

// Waits until a process's CPU time stands still: then it is asleep and its time fully booked.
// One that never rests (3 s) is measured as it is.
static inline uint64_t settled_cpu_ns(clockid_t clock) {
  uint64_t before = clock_ns(clock);
  for (int i = 0; i < SETTLE_STEPS_MAX; i++) {
    struct timespec pause = {.tv_nsec = SETTLE_STEP_NS};
    nanosleep(&pause, NULL);
    uint64_t now = clock_ns(clock);
    if (now - before < SETTLE_BUSY_NS) return now;
    before = now;
  }
  return before;
}

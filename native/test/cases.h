#pragma once

/** What the cases of this directory have in common. */

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../core/kernel.h"

#define EXPECT(condition)                                                    \
  do {                                                                       \
    if (condition) break;                                                    \
    std::printf("not ok: %s line %d: %s\n", __FILE__, __LINE__, #condition); \
    std::exit(1);                                                            \
  } while (false)

struct Case {
  const char* name;
  void (*run)();
};

#define CASE(name) {#name, name}

/** Those of `events.cc`, `files.cc` and `pins.cc`, each ended by one without a name. */
extern const Case kEventCases[];
extern const Case kFileCases[];
extern const Case kPinCases[];

/**
 * Joins the session. The thread sanitizer makes its record of pending signals at a thread's first
 * blocking call and forgets a signal that comes meanwhile; so that call is made here.
 */
inline void enter(sandpoll::Kernel& kernel, int session) {
  uint8_t memory[256];
  EXPECT(kernel.session_enter(session) == 0);
  const sandpoll::Handle epoll = kernel.epoll_create1();
  EXPECT(kernel.epoll_pwait(epoll, {memory, sizeof(memory)}, 0, 8, 0) == 0);
  EXPECT(kernel.close(epoll) == 0);
}

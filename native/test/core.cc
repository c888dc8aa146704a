/**
 * The core alone, without Node: on a system-call table of its own where Linux cannot be brought
 * to do what is wanted, and on Linux with threads. Run under the sanitizers by
 * `test/native/core.test.ts`; prints one line a case.
 */

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "cases.h"

namespace {

using sandpoll::Address;
using sandpoll::Bytes;
using sandpoll::Handle;
using sandpoll::Kernel;
using sandpoll::kLinux;
using sandpoll::Sleeper;
using sandpoll::Syscalls;

uint8_t memory[4096];
const Bytes bytes = {memory, sizeof(memory)};

/** What the table below was asked, and what it is to answer. */
struct Fake {
  int next_fd = 100;
  std::vector<int> closed;
  std::vector<int> deleted;
  int calls = 0;
  int timeout_ms = 0;
  long now_ms = 0;
  Kernel* kernel = nullptr;
  Handle victim = 0;
};

Fake fake;

/** A Linux where every descriptor is a number and nothing else. */
Syscalls make_fake() {
  fake = Fake();
  Syscalls sys;
  sys.eventfd = [](unsigned, int) -> long { return fake.next_fd++; };
  sys.epoll_create1 = [](int) -> long { return fake.next_fd++; };
  sys.close = [](int fd) -> long { return fake.closed.push_back(fd), 0; };
  sys.epoll_ctl = [](int, int op, int fd, epoll_event*) -> long {
    if (op == EPOLL_CTL_DEL) fake.deleted.push_back(fd);
    return 0;
  };
  return sys;
}

#if !defined(__SANITIZE_THREAD__)  // Millions of calls of one thread.
void a_full_table_closes_what_it_cannot_name() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  const int slots = 1 << 18;
  for (int at = 0; at < slots; at++) EXPECT(kernel.eventfd(0, 0) >= 0);
  fake.closed.clear();
  EXPECT(kernel.eventfd(0, 0) == -ENFILE);
  EXPECT(fake.closed == std::vector<int>{100 + slots});
}

void generations_wrap_and_stay_handles() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  const Handle first = kernel.eventfd(0, 0);
  kernel.close(first);
  // Each slot rests for 1,024 others: the first handle can only come again after all of these.
  for (int at = 0; at < 1025 * 8190; at++) {
    const Handle handle = kernel.eventfd(0, 0);
    EXPECT(handle >= 0 && handle != first);
    EXPECT(kernel.close(handle) == 0);
    if (at % 4096 == 0) fake.closed.clear();
  }
}
#endif

void a_pinned_descriptor_is_closed_at_the_last_unpin() {
  Syscalls sys = make_fake();
  sys.read = [](int fd, void*, size_t) -> long {
    EXPECT(fake.kernel->close(fake.victim) == 0);
    EXPECT(fake.kernel->close(fake.victim) == -EBADF);
    EXPECT(fake.kernel->read(fake.victim, bytes, 0, 8) == -EBADF);
    EXPECT(fake.closed.empty());
    EXPECT(fake.deleted == std::vector<int>{fd});
    return 8;
  };
  Kernel kernel(sys);
  EXPECT(kernel.epoll_create1() >= 0);
  fake.kernel = &kernel;
  fake.victim = kernel.eventfd(0, 0);
  EXPECT(kernel.read(fake.victim, bytes, 0, 8) == 8);
  EXPECT(fake.closed == std::vector<int>{101});
}

void an_unpinned_descriptor_costs_no_search_of_interest_lists() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  kernel.epoll_create1();
  EXPECT(kernel.close(kernel.eventfd(0, 0)) == 0);
  EXPECT(fake.deleted.empty() && fake.closed == std::vector<int>{101});
}

void an_add_that_meets_a_close_is_taken_back() {
  Syscalls sys = make_fake();
  sys.epoll_ctl = [](int, int op, int fd, epoll_event*) -> long {
    if (op == EPOLL_CTL_DEL) fake.deleted.push_back(fd);
    if (op == EPOLL_CTL_ADD) fake.kernel->close(fake.victim), fake.deleted.clear();
    return 0;
  };
  Kernel kernel(sys);
  const Handle epoll = kernel.epoll_create1();
  fake.kernel = &kernel;
  fake.victim = kernel.eventfd(0, 0);
  EXPECT(kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, fake.victim, EPOLLIN, 0, 0) == -EBADF);
  EXPECT(fake.deleted == std::vector<int>{101});
}

void a_foreign_signal_costs_a_wait_no_time_and_gives_it_none() {
  Syscalls sys = make_fake();
  sys.clock_gettime = [](clockid_t, timespec* time) -> long {
    *time = {fake.now_ms / 1000, fake.now_ms % 1000 * 1'000'000};
    return 0;
  };
  sys.epoll_wait = [](int, epoll_event*, int, int timeout_ms, Sleeper*) -> long {
    fake.timeout_ms = timeout_ms;
    fake.now_ms += 300;
    return ++fake.calls < 3 ? -EINTR : 0;
  };
  Kernel kernel(sys);
  const Handle epoll = kernel.epoll_create1();
  EXPECT(kernel.epoll_pwait(epoll, bytes, 0, 8, 1000) == 0);
  EXPECT(fake.calls == 3 && fake.timeout_ms == 400);
}

void chance_comes_in_pieces() {
  Syscalls sys = make_fake();
  sys.getrandom = [](void* buffer, size_t length) -> long {
    if (fake.calls++ % 2 == 0) return -EINTR;
    const size_t piece = length < 100 ? length : 100;
    std::memset(buffer, 7, piece);
    return static_cast<long>(piece);
  };
  Kernel kernel(sys);
  EXPECT(kernel.getrandom(bytes, 0, 1050) == 0);
  EXPECT(memory[1049] == 7 && memory[1050] == 0 && fake.calls == 22);
}

void shared_stdio_is_asked_first_and_given_little() {
  Syscalls sys = make_fake();
  sys.fstat = [](int, struct stat* status) -> long { return status->st_mode = S_IFIFO, 0; };
  sys.getfl = [](int) -> long { return O_RDWR; };
  sys.open = [](const char*, int) -> long { return -ENXIO; };
  sys.dup = [](int) -> long { return fake.next_fd++; };
  sys.ppoll = [](pollfd*, nfds_t, const timespec*, Sleeper*) -> long { return fake.calls; };
  sys.write = [](int, const void*, size_t length) -> long { return static_cast<long>(length); };
  sys.read = [](int, void*, size_t length) -> long { return static_cast<long>(length); };
  Kernel kernel(sys);
  static uint8_t large[8192];
  const Bytes all = {large, sizeof(large)};
  const Handle output = kernel.stdio(1);
  EXPECT(kernel.write(output, all, 0, 8192) == -EAGAIN);
  EXPECT(kernel.read(output, all, 0, 8192) == -EAGAIN);
  fake.calls = 1;
  EXPECT(kernel.write(output, all, 0, 8192) == 4096);
  EXPECT(kernel.read(output, all, 0, 8192) == 8192);
}

#if !defined(__SANITIZE_THREAD__)  // It holds signals back until the thread calls into it.
/** While set, a thread stays between looking at its flag and the system call. */
std::atomic<bool> held{false};
std::atomic<bool> in_window{false};

/** True while a signal sent to the thread has not reached its handler. */
bool signal_pends(int thread) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/self/task/%d/status", thread);
  std::FILE* file = std::fopen(path, "r");
  char line[256];
  bool pends = false;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    unsigned long long mask;
    if (std::sscanf(line, "SigPnd: %llx", &mask) == 1) pends = mask != 0;
  }
  std::fclose(file);
  return pends;
}

void a_wake_just_before_the_system_call_is_not_lost() {
  static Kernel& kernel = *new Kernel(kLinux);
  const int session = kernel.session_open();
  std::atomic<int> thread{0};
  held.store(true);
  std::thread sleeper([&] {
    kernel.session_enter(session);
    const Handle epoll = kernel.epoll_create1();
    thread.store(gettid());
    EXPECT(kernel.epoll_pwait(epoll, bytes, 0, 8, -1) == -EINTR);
  });
  while (!in_window.load()) std::this_thread::yield();
  EXPECT(kernel.session_wake(session) == 0);
  while (signal_pends(thread.load())) std::this_thread::yield();
  held.store(false);
  sleeper.join();
  EXPECT(kernel.session_close(session) == 1);
}
#endif

/** Wakes as fast as they are taken. */
void no_wake_is_lost() {
  static Kernel& kernel = *new Kernel(kLinux);
  const int session = kernel.session_open();
  const int rounds = 20'000;
  std::atomic<int> done{-1};
  std::thread sleeper([&] {
    enter(kernel, session);
    const Handle epoll = kernel.epoll_create1();
    const Handle idle = kernel.eventfd(0, 0);
    done.store(0);
    for (int round = 1; round <= rounds; round++) {
      const int result = round % 2 == 0 ? kernel.poll(idle, POLLIN, -1, 0)
                                        : kernel.epoll_pwait(epoll, bytes, 0, 8, -1);
      EXPECT(result == -EINTR);
      done.store(round);
    }
  });
  while (done.load() < 0) std::this_thread::yield();
  for (int round = 0; round < rounds; round++) {
    EXPECT(kernel.session_wake(session) == 0);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (done.load() == round) {
      EXPECT(std::chrono::steady_clock::now() < end);
    }
    EXPECT(done.load() == round + 1);
  }
  sleeper.join();
  EXPECT(kernel.session_wake(session) == 0);
  EXPECT(kernel.session_close(session) == 2);
}

void a_closed_session_waits_for_nothing_more() {
  static Kernel& kernel = *new Kernel(kLinux);
  const int session = kernel.session_open();
  const Handle epoll = kernel.epoll_create1();
  std::atomic<bool> entered{false};
  std::thread sleeper([&] {
    enter(kernel, session);
    entered.store(true);
    for (int round = 0; round < 1000; round++) {
      EXPECT(kernel.epoll_pwait(epoll, bytes, 0, 8, -1) == -EINTR);
    }
    EXPECT(kernel.eventfd(0, 0) == -ECANCELED);
  });
  while (!entered.load()) std::this_thread::yield();
  kernel.session_close(session);
  sleeper.join();
  EXPECT(kernel.close(epoll) == 0);
}

/** As a worker does that is given one thread of a guest after another. */
void a_session_is_entered_again_while_its_time_is_read() {
  Kernel kernel;
  const int session = kernel.session_open();
  std::atomic<int> turns{0};
  std::thread worker([&] {
    do EXPECT(kernel.session_enter(session) == 0);
    while (turns.fetch_add(1) < 1000);
  });
  do EXPECT(kernel.session_cputime(session, bytes, 0) == 0);
  while (turns.load() < 1000);
  worker.join();
  EXPECT(kernel.session_close(session) == 0);
}

/** Threads that open, use and close each other's handles. */
void threads_share_one_table() {
  static Kernel& kernel = *new Kernel(kLinux);
  std::atomic<Handle> shared[16];
  for (auto& handle : shared) handle.store(kernel.eventfd(1, 0));
  const int session = kernel.session_open();
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; seed++) {
    threads.emplace_back([&, seed]() mutable {
      enter(kernel, session);
      uint8_t own[64];
      const Bytes mine = {own, sizeof(own)};
      const Handle epoll = kernel.epoll_create1();
      for (int round = 0; round < 20'000; round++) {
        auto& slot = shared[rand_r(&seed) % 16];
        const Handle handle = slot.load();
        const unsigned choice = rand_r(&seed) % 4;
        if (choice == 0) {
          kernel.close(slot.exchange(kernel.eventfd(1, 0)));
        } else if (choice == 1) {
          const int result = kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, handle, EPOLLIN, 0, 0);
          EXPECT(result == 0 || result == -EEXIST || result == -EBADF);
        } else {
          const int result = kernel.read(handle, mine, 0, 8);
          EXPECT(result == 8 || result == -EAGAIN || result == -EBADF);
        }
        if (round % 64 == 0) EXPECT(kernel.epoll_pwait(epoll, mine, 0, 4, 0) >= 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT(kernel.session_close(session) > 4);
  int left = 0;
  for (auto& handle : shared) left += kernel.close(handle.load()) == 0;
  EXPECT(left <= 16);
}

constexpr Case kCases[] = {
    CASE(a_pinned_descriptor_is_closed_at_the_last_unpin),
    CASE(an_unpinned_descriptor_costs_no_search_of_interest_lists),
    CASE(an_add_that_meets_a_close_is_taken_back),
    CASE(a_foreign_signal_costs_a_wait_no_time_and_gives_it_none),
    CASE(chance_comes_in_pieces),
    CASE(shared_stdio_is_asked_first_and_given_little),
#if !defined(__SANITIZE_THREAD__)
    CASE(a_full_table_closes_what_it_cannot_name),
    CASE(generations_wrap_and_stay_handles),
    CASE(a_wake_just_before_the_system_call_is_not_lost),
#endif
    CASE(no_wake_is_lost),
    CASE(a_closed_session_waits_for_nothing_more),
    CASE(a_session_is_entered_again_while_its_time_is_read),
    CASE(threads_share_one_table),
};

void run(const Case& each) {
  each.run();
  std::printf("ok: %s\n", each.name);
}

}  // namespace

#if !defined(__SANITIZE_THREAD__)
/** Stands before libc's own. */
extern "C" int epoll_wait(int epoll, epoll_event* events, int maxevents, int timeout_ms) {
  while (held.load()) in_window.store(true);
  return epoll_pwait(epoll, events, maxevents, timeout_ms, nullptr);
}
#endif

int main() {
  for (const Case& each : kCases) run(each);
  for (const Case* cases : {kEventCases, kFileCases, kPinCases}) {
    for (const Case* each = cases; each->name != nullptr; each++) run(*each);
  }
  return 0;
}

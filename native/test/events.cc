/** Signals, lookups and passed descriptors, where threads or the resolver get in their way. */

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "cases.h"

namespace {

using sandpoll::Bytes;
using sandpoll::Handle;
using sandpoll::Iovs;
using sandpoll::Kernel;
using sandpoll::kLinux;
using sandpoll::Syscalls;

constexpr uint32_t kAll = 0x7fffffff;

/** Memory of one thread. */
struct Room {
  uint8_t data[8192] = {};
  Bytes bytes = {data, sizeof(data)};

  Handle handle(size_t at) const {
    Handle value;
    std::memcpy(&value, data + 4 * at, sizeof(value));
    return value;
  }
};

/** Two readers and a sender: a signal is taken once for each time it became pending. */
void a_signal_is_taken_once_whoever_reads() {
  static Kernel& kernel = *new Kernel(kLinux);
  const int session = kernel.session_open();
  std::atomic<int> taken{0};
  std::atomic<int> ready{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; reader++) {
    readers.emplace_back([&] {
      Room room;
      enter(kernel, session);
      const Handle signals = kernel.signalfd(kAll);
      ready.fetch_add(1);
      while (!over.load()) {
        const int result = kernel.read(signals, room.bytes, 0, 2 * 128);
        EXPECT(result == -EAGAIN || result == 128 || result == 256);
        if (result > 0) taken.fetch_add(result / 128);
      }
      EXPECT(kernel.poll(signals, POLLIN, 0, 0) == 0);
    });
  }
  while (ready.load() < 2) std::this_thread::yield();
  for (int sent = 0; sent < 4'000;) {
    for (int signal = 10; signal < 18; signal++, sent++) {
      EXPECT(kernel.session_signal(session, signal) == 2);
    }
    while (taken.load() < sent) std::this_thread::yield();
    EXPECT(taken.load() == sent);
  }
  over.store(true);
  for (auto& reader : readers) reader.join();
  EXPECT(kernel.session_close(session) == 2);
}

/** While set, the resolver does not answer. */
std::atomic<bool> silent{false};
std::atomic<int> asked{0};
std::atomic<int> written{0};

/** A resolver that knows no name, and takes its time. */
Syscalls make_resolver() {
  Syscalls sys;
  sys.getaddrinfo = [](const char*, const char*, const addrinfo*, addrinfo**) {
    asked.fetch_add(1);
    while (silent.load()) std::this_thread::yield();
    return EAI_NONAME;
  };
  sys.write = [](int fd, const void* buffer, size_t length) -> long {
    written.fetch_add(1);
    return kLinux.write(fd, buffer, length);
  };
  silent.store(true);
  asked.store(0);
  written.store(0);
  return sys;
}

/** B22: an answer that comes after its guest has gone is dropped. */
void a_closed_lookup_is_abandoned_and_16_are_the_most() {
  Room room;
  const Syscalls sys = make_resolver();
  Kernel kernel(sys);
  Handle lookups[16];
  for (Handle& lookup : lookups) {
    lookup = kernel.resolve(room.bytes, 0, 0, 0, 0, 0, 0, 0);
    EXPECT(lookup >= 0);
    EXPECT(kernel.resolved(lookup, room.bytes, 0, 1) == -EAGAIN);
  }
  EXPECT(kernel.resolve(room.bytes, 0, 0, 0, 0, 0, 0, 0) == -EAGAIN);
  // All but the last are abandoned: their threads find nobody to tell, and make room all the same.
  for (int at = 0; at < 15; at++) EXPECT(kernel.close(lookups[at]) == 0);
  EXPECT(kernel.resolve(room.bytes, 0, 0, 0, 0, 0, 0, 0) == -EAGAIN);
  while (asked.load() < 16) std::this_thread::yield();
  EXPECT(kernel.poll(lookups[15], POLLIN | POLLOUT, 0, 0) == 0);
  silent.store(false);
  EXPECT(kernel.poll(lookups[15], POLLIN | POLLOUT, 10, 0) == POLLIN);
  EXPECT(kernel.resolved(lookups[15], room.bytes, 0, 1) == -1002);
  Handle next;
  while ((next = kernel.resolve(room.bytes, 0, 0, 0, 0, 0, 0, 0)) == -EAGAIN) {
    std::this_thread::yield();
  }
  EXPECT(kernel.poll(next, POLLIN, 10, 0) == POLLIN);
  EXPECT(written.load() == 2);
  // A kernel that ends before its threads do no harm to them.
  silent.store(true);
  while (kernel.resolve(room.bytes, 0, 0, 0, 0, 0, 0, 0) < 0) std::this_thread::yield();
}

std::atomic<int> forgotten{0};

/** E1: asks every epoll to forget what may live on elsewhere, and no other. */
void only_what_was_passed_is_forgotten_by_name() {
  Room room;
  Syscalls sys;
  sys.epoll_ctl = [](int epoll, int op, int fd, epoll_event* event) -> long {
    if (op == EPOLL_CTL_DEL) forgotten.fetch_add(1);
    return kLinux.epoll_ctl(epoll, op, fd, event);
  };
  Kernel kernel(sys);
  EXPECT(kernel.socketpair(AF_UNIX, SOCK_SEQPACKET, 0, room.bytes, 0) == 0);
  const Handle near = room.handle(0);
  const Handle far = room.handle(1);
  const Handle epoll = kernel.epoll_create1();
  kernel.close(kernel.epoll_create1());
  const Handle kept = kernel.eventfd(0, 0);
  const Handle passed = kernel.eventfd(1, 0);
  EXPECT(kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, kept, EPOLLIN, 0, 0) == 0);
  EXPECT(kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, passed, EPOLLIN, 0, 0) == 0);
  EXPECT(kernel.channel_send(near, room.bytes, Iovs{}, 0, 7, passed) == 0);
  EXPECT(kernel.close(kept) == 0 && forgotten.load() == 0);
  EXPECT(kernel.close(passed) == 0 && forgotten.load() == 1);
  EXPECT(kernel.epoll_pwait(epoll, room.bytes, 0, 8, 0) == 0);
  EXPECT(kernel.channel_recv(far, room.bytes, Iovs{}, 0, room.bytes) == 0);
  EXPECT(room.handle(0) == 7 && kernel.read(room.handle(1), room.bytes, 64, 8) == 8);
}

/** One sends what it opens and closes it at once, one watches what comes and closes it too. */
void descriptors_pass_between_threads() {
  static Kernel& kernel = *new Kernel(kLinux);
  static Room ends;
  const int rounds = 3'000;
  EXPECT(kernel.socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.bytes, 0) == 0);
  std::thread sender([&] {
    Room room;
    for (int round = 0; round < rounds; round++) {
      const Handle epoll = kernel.epoll_create1();
      const Handle gift = kernel.eventfd(1, 0);
      EXPECT(kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, gift, EPOLLIN, 0, 0) == 0);
      int result;
      while ((result = kernel.channel_send(ends.handle(0), room.bytes, Iovs{}, 0, 1, gift)) != 0) {
        EXPECT(result == -EAGAIN || result == -ETOOMANYREFS);
      }
      EXPECT(kernel.close(gift) == 0);
      EXPECT(kernel.epoll_pwait(epoll, room.bytes, 0, 8, 0) == 0);
      EXPECT(kernel.close(epoll) == 0);
    }
  });
  Room room;
  const Handle epoll = kernel.epoll_create1();
  for (int round = 0; round < rounds; round++) {
    EXPECT(kernel.poll(ends.handle(1), POLLIN, 10, 0) == POLLIN);
    EXPECT(kernel.channel_recv(ends.handle(1), room.bytes, Iovs{}, 0, room.bytes) == 0);
    const Handle gift = room.handle(1);
    EXPECT(kernel.epoll_ctl(epoll, EPOLL_CTL_ADD, gift, EPOLLIN, 0, 0) == 0);
    EXPECT(kernel.epoll_pwait(epoll, room.bytes, 64, 8, 0) == 1);
    EXPECT(kernel.close(gift) == 0);
    EXPECT(kernel.epoll_pwait(epoll, room.bytes, 64, 8, 0) == 0);
  }
  sender.join();
}

}  // namespace

const Case kEventCases[] = {
    CASE(a_signal_is_taken_once_whoever_reads),
    CASE(a_closed_lookup_is_abandoned_and_16_are_the_most),
    CASE(only_what_was_passed_is_forgotten_by_name),
    CASE(descriptors_pass_between_threads),
    {nullptr, nullptr},
};

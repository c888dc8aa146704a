/**
 * Pins, without chance: a thread is held between looking its handle up and the system call; another
 * closes the handle, a third opens other things under whatever numbers are free. The call must
 * still reach what the handle named.
 */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "cases.h"

namespace {

using sandpoll::Address;
using sandpoll::Bytes;
using sandpoll::Handle;
using sandpoll::Iovs;
using sandpoll::Kernel;
using sandpoll::kLinux;
using sandpoll::Syscalls;

/** What guests send is 'S', what is in the descriptors of others is 'F'. */
constexpr uint8_t kOurs = 'S';
constexpr uint8_t kForeign = 'F';

/** Where the one thread is held that calls while the gate is shut. */
struct Gate {
  std::atomic<bool> shut{false};
  std::atomic<int> held_fd{-1};

  void pass(int fd) {
    if (!shut.load()) return;
    held_fd.store(fd);
    while (shut.load()) std::this_thread::yield();
  }
};

Gate gate;

int fd_of(int fd) { return fd; }
int fd_of(const pollfd* polled) { return polled->fd; }

/** A row of the table that has its callers pass the gate before Linux. */
template <auto Row, typename Type>
struct Gated;

template <auto Row, typename First, typename... Rest>
struct Gated<Row, long (*Syscalls::*)(First, Rest...)> {
  static long call(First first, Rest... rest) {
    gate.pass(fd_of(first));
    return (kLinux.*Row)(first, rest...);
  }
};

/** Memory of the calling thread, and the buffer in the middle of it as an iovec. */
struct Room {
  uint8_t data[256] = {};
  const uint32_t iov[2] = {64, 8};
  Bytes bytes = {data, sizeof(data)};
  Iovs iovs = {iov, 2};
  Address address = {data + 96};

  Handle handle(size_t at) const {
    Handle value;
    std::memcpy(&value, data + 4 * at, sizeof(value));
    return value;
  }
};

/** One message of one buffer, to nobody or from anybody, and what has become of it. */
struct Table {
  uint32_t words[36] = {1};
  Bytes bytes = {reinterpret_cast<uint8_t*>(words), sizeof(words)};
};

/** What a call is about, and one more handle, by which it is seen what has become of it. */
struct Scene {
  Handle victim;
  Handle other;
};

using Set = Scene (*)(Kernel&, Room&);
using Call = bool (*)(Kernel&, const Scene&, Room&);

/** Connected sockets: there is a byte to be received from the first. */
Scene sockets(Kernel& kernel, Room& room) {
  EXPECT(kernel.socketpair(AF_UNIX, SOCK_STREAM, 0, room.bytes, 0) == 0);
  const Scene scene = {room.handle(0), room.handle(1)};
  room.data[64] = kOurs;
  EXPECT(kernel.send(scene.other, room.bytes, 64, 1, 0) == 1);
  room.data[64] = 0;
  return scene;
}

/** A listener with one connection in its queue. */
Scene listener(Kernel& kernel, Room& room) {
  const uint32_t length = sizeof(sa_family_t);
  const sa_family_t family = AF_UNIX;
  std::memcpy(room.address.data, &length, sizeof(length));
  std::memcpy(room.address.data + sizeof(length), &family, sizeof(family));
  const Scene scene = {kernel.socket(AF_UNIX, SOCK_STREAM, 0),
                       kernel.socket(AF_UNIX, SOCK_STREAM, 0)};
  EXPECT(kernel.bind(scene.victim, room.address) == 0);
  EXPECT(kernel.listen(scene.victim, 1) == 0);
  EXPECT(kernel.getsockname(scene.victim, room.address) == 0);
  EXPECT(kernel.connect(scene.other, room.address) == 0);
  return scene;
}

/** An epoll to which an event is due. */
Scene epoll(Kernel& kernel, Room&) {
  const Scene scene = {kernel.epoll_create1(), kernel.eventfd(1, 0)};
  EXPECT(kernel.epoll_ctl(scene.victim, EPOLL_CTL_ADD, scene.other, EPOLLIN, kOurs, 0) == 0);
  return scene;
}

/** An empty event counter. */
Scene counter(Kernel& kernel, Room&) { return {kernel.eventfd(0, 0), -1}; }

bool received(long result, const Room& room) { return result == 1 && room.data[64] == kOurs; }

/** Whether a byte that was sent is where it belongs, behind the end of the first. */
bool arrived(Kernel& kernel, const Scene& scene, Room& room, long result) {
  room.data[64] = 0;
  return result == 8 && kernel.recv(scene.other, room.bytes, 64, 8, 0) == 8 &&
         room.data[64] == kOurs;
}

bool reported(long result, const Room& room) { return result == 1 && room.data[8] == kOurs; }

/** Shuts the gate, and tries `call` with all that can happen to a number meanwhile. */
void try_call(Kernel& kernel, Set set, Call call) {
  Room room;
  const Scene scene = set(kernel, room);
  int foreign[2];
  EXPECT(::socketpair(AF_UNIX, SOCK_STREAM, 0, foreign) == 0);
  EXPECT(::write(foreign[1], &kForeign, 1) == 1);
  gate.held_fd.store(-1);
  gate.shut.store(true);
  std::atomic<bool> right{false};
  std::thread caller([&] { right.store(call(kernel, scene, room)); });
  while (gate.held_fd.load() < 0) std::this_thread::yield();
  std::thread([&] { EXPECT(kernel.close(scene.victim) == 0); }).join();
  std::vector<int> others;
  std::thread([&] {
    for (int count = 0; count < 32; count++) others.push_back(::dup(foreign[0]));
  }).join();
  gate.shut.store(false);
  caller.join();
  EXPECT(right.load());
  uint8_t byte = 0;
  EXPECT(::recv(foreign[1], &byte, 1, MSG_DONTWAIT) < 0);
  EXPECT(::recv(foreign[0], &byte, 1, MSG_DONTWAIT) == 1 && byte == kForeign);
  for (const int other : others) EXPECT(other != gate.held_fd.load() && ::close(other) == 0);
  // Nobody is in it any more.
  EXPECT(::fcntl(gate.held_fd.load(), F_GETFD) == -1);
  for (const int end : foreign) ::close(end);
  kernel.close(scene.other);
}

template <auto Row>
void held_in(Set set, Call call) {
  Syscalls sys;
  sys.*Row = Gated<Row, decltype(Row)>::call;
  Kernel kernel(sys);
  try_call(kernel, set, call);
}

void a_number_stays_that_of_a_call_that_receives() {
  held_in<&Syscalls::recv>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    return received(kernel.recv(scene.victim, room.bytes, 64, 8, 0), room);
  });
  held_in<&Syscalls::recvfrom>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    return received(kernel.recvfrom(scene.victim, room.bytes, 64, 8, 0, room.address), room);
  });
  held_in<&Syscalls::recvmsg>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    const Address none;
    const Bytes& bytes = room.bytes;
    return received(kernel.recvmsg(scene.victim, bytes, room.iovs, 1, 0, none, bytes), room);
  });
  held_in<&Syscalls::read>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    return received(kernel.read(scene.victim, room.bytes, 64, 8), room);
  });
  held_in<&Syscalls::readv>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    return received(kernel.readv(scene.victim, room.bytes, room.iovs, 1), room);
  });
  held_in<&Syscalls::recvmmsg>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    Table table;
    const int count =
        kernel.recvmmsg(scene.victim, room.bytes, room.iovs, table.bytes, 1, 0, -1, 0);
    return count == 1 && received(table.words[1], room);
  });
}

void a_number_stays_that_of_a_call_that_sends() {
  held_in<&Syscalls::send>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    room.data[64] = kOurs;
    return arrived(kernel, scene, room, kernel.send(scene.victim, room.bytes, 64, 8, 0));
  });
  held_in<&Syscalls::sendmsg>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    room.data[64] = kOurs;
    const Address none;
    const int sent = kernel.sendmsg(scene.victim, room.bytes, room.iovs, 1, 0, none);
    return arrived(kernel, scene, room, sent);
  });
  held_in<&Syscalls::sendmmsg>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    room.data[64] = kOurs;
    Table table;
    const int sent = kernel.sendmmsg(scene.victim, room.bytes, room.iovs, table.bytes, 1, 0);
    return sent == 1 && arrived(kernel, scene, room, table.words[1]);
  });
  held_in<&Syscalls::write>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    room.data[64] = kOurs;
    return arrived(kernel, scene, room, kernel.write(scene.victim, room.bytes, 64, 8));
  });
  held_in<&Syscalls::writev>(sockets, [](Kernel& kernel, const Scene& scene, Room& room) {
    room.data[64] = kOurs;
    return arrived(kernel, scene, room, kernel.writev(scene.victim, room.bytes, room.iovs, 1));
  });
}

void a_number_stays_that_of_a_call_that_accepts() {
  held_in<&Syscalls::accept4>(listener, [](Kernel& kernel, const Scene& scene, Room& room) {
    const Handle accepted = kernel.accept4(scene.victim, room.address);
    return accepted >= 0 && kernel.close(accepted) == 0;
  });
}

void a_number_stays_that_of_a_call_that_waits() {
  held_in<&Syscalls::epoll_wait>(epoll, [](Kernel& kernel, const Scene& scene, Room& room) {
    return reported(kernel.epoll_pwait(scene.victim, room.bytes, 0, 4, -1), room);
  });
  held_in<&Syscalls::epoll_pwait2>(epoll, [](Kernel& kernel, const Scene& scene, Room& room) {
    return reported(kernel.epoll_pwait2(scene.victim, room.bytes, 0, 4, -1, 0), room);
  });
  held_in<&Syscalls::ppoll>(counter, [](Kernel& kernel, const Scene& scene, Room&) {
    return kernel.poll(scene.victim, POLLIN, 0, 0) == 0;
  });
}

}  // namespace

const Case kPinCases[] = {
    CASE(a_number_stays_that_of_a_call_that_receives),
    CASE(a_number_stays_that_of_a_call_that_sends),
    CASE(a_number_stays_that_of_a_call_that_accepts),
    CASE(a_number_stays_that_of_a_call_that_waits),
    {nullptr, nullptr},
};

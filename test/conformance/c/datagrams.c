/* UDP and unix sockets: what their states look like, and what their calls answer. */
#include "observe.h"

static long long send_to(int fd, struct sockaddr_in to, const void *bytes, size_t length) {
  return sendto(fd, bytes, length, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
}

static void empty_datagram(void) {
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  say_ready("idle", one);
  say_recv("nothing", one, 16);
  say("send of nothing", send_to(other, name_of(one), "", 0));
  settle(one, EPOLLIN);
  say_ready("an empty one", one);
  say_recv("recv", one, 16);
  say_ready("taken", one);
  close(one);
  close(other);
}

static void sizes(void) {
  static char bytes[65536];
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  say("65,507 bytes", send_to(other, name_of(one), bytes, 65507));
  say("65,508 bytes", send_to(other, name_of(one), bytes, 65508));
  settle(one, EPOLLIN);
  say("recv", recv(one, bytes, sizeof bytes, 0));
  say_recv("the other was not sent", one, 16);
  close(one);
  close(other);
}

static void truncated(void) {
  char bytes[16];
  struct iovec iovec = {.iov_base = bytes, .iov_len = 4};
  struct msghdr message = {.msg_iov = &iovec, .msg_iovlen = 1};
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  for (int i = 0; i < 3; i++) send_to(other, name_of(one), "12345678", 8);
  settle(one, EPOLLIN);
  say("room for 4", recvmsg(one, &message, 0));
  say("told as cut", (message.msg_flags & MSG_TRUNC) != 0);
  say("MSG_TRUNC gives the true size", recv(one, bytes, 4, MSG_TRUNC));
  iovec.iov_len = 8;
  say("room for 8", recvmsg(one, &message, 0));
  say("told as cut", (message.msg_flags & MSG_TRUNC) != 0);
  say_recv("no rest", one, 16);
  close(one);
  close(other);
}

/* A port of 127.9.8.7 that nobody has: no other program binds to that address. */
static struct sockaddr_in deserted(void) {
  struct sockaddr_in address = loopback(0);
  address.sin_addr.s_addr = htonl(0x7f090807);
  int fd = new_socket(AF_INET, SOCK_DGRAM);
  need("bind", bind(fd, (struct sockaddr *)&address, sizeof address));
  address = name_of(fd);
  close(fd);
  return address;
}

static void unreachable(void) {
  struct sockaddr_in nobody = deserted();
  int fd = bound(SOCK_DGRAM);
  need("connect", connect_to(fd, nobody));
  say_ready("connected", fd);
  say("send", send(fd, "x", 1, MSG_NOSIGNAL));
  settle(fd, 0);
  say_ready("nobody was there", fd);
  say_recv("recv", fd, 1);
  say_ready("told", fd);
  say("send", send(fd, "x", 1, MSG_NOSIGNAL));
  settle(fd, 0);
  say("the error comes at a send too", send(fd, "x", 1, MSG_NOSIGNAL));
  say("send", send(fd, "x", 1, MSG_NOSIGNAL));
  settle(fd, 0);
  printf("SO_ERROR: %s\n", pending_error(fd));
  say_ready("SO_ERROR was read", fd);
  close(fd);
}

static void connected_datagrams(void) {
  int one = bound(SOCK_DGRAM);
  int other = bound(SOCK_DGRAM);
  int stranger = bound(SOCK_DGRAM);
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  say("send of an unconnected one", send(one, "x", 1, MSG_NOSIGNAL));
  say("getpeername", getpeername(one, (struct sockaddr *)&peer, &length));
  need("connect", connect_to(one, name_of(other)));
  length = sizeof peer;
  say("getpeername", getpeername(one, (struct sockaddr *)&peer, &length));
  say("is the other", peer.sin_port == name_of(other).sin_port);
  send_to(stranger, name_of(one), "spam", 4);
  send_to(other, name_of(one), "mail!", 5);
  settle(one, EPOLLIN);
  say_recv("only from its peer", one, 16);
  say_recv("nothing else", one, 16);
  close(one);
  close(other);
  close(stranger);
}

static void datagram_shutdown(void) {
  static const int hows[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
  for (int i = 0; i < 3; i++) {
    int one = bound(SOCK_DGRAM);
    int other = bound(SOCK_DGRAM);
    say("shutdown of an unconnected one", shutdown(one, hows[i]));
    need("connect", connect_to(one, name_of(other)));
    printf("how %d\n", i);
    say("shutdown", shutdown(one, hows[i]));
    say_ready("after it", one);
    say("send", send(one, "x", 1, MSG_NOSIGNAL));
    say_recv("recv", one, 1);
    close(one);
    close(other);
  }
}

static void unix_unread(void) {
  static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
  for (int i = 0; i < 3; i++) {
    int ends[2];
    printf("type %d\n", i);
    new_pair(types[i], ends);
    send_text(ends[0], "never read");
    close(ends[1]);
    say_ready("closed with our data unread", ends[0]);
    say_recv("recv", ends[0], 1);
    say_recv("recv again", ends[0], 1);
    say("send", send_text(ends[0], "x"));
    say_ready("at last", ends[0]);
    close(ends[0]);
  }
}

static void unix_pairs(void) {
  static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
  for (int i = 0; i < 3; i++) {
    int ends[2];
    printf("type %d\n", i);
    new_pair(types[i], ends);
    say_ready("idle", ends[0]);
    say("send of nothing", send_text(ends[1], ""));
    say_ready("after it", ends[0]);
    say_recv("recv", ends[0], 16);
    send_text(ends[1], "12");
    send_text(ends[1], "34");
    say_recv("two messages", ends[0], 16);
    say_recv("what is left", ends[0], 16);
    send_text(ends[1], "5678");
    say_recv("half of one", ends[0], 2);
    say_recv("its rest", ends[0], 16);
    close(ends[1]);
    say_ready("peer closed", ends[0]);
    say_recv("recv", ends[0], 16);
    close(ends[0]);
  }
}

static void unix_fresh(void) {
  static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
  for (int i = 0; i < 3; i++) {
    int fd = new_socket(AF_UNIX, types[i]);
    printf("type %d\n", i);
    say_ready("fresh", fd);
    say_recv("recv", fd, 1);
    say("send", send_text(fd, "x"));
    say("shutdown", shutdown(fd, SHUT_RDWR));
    close(fd);
  }
}

static void event_counts(void) {
  uint64_t value = 0;
  int fd = new_event(3);
  say_ready("3", fd);
  say("read", read(fd, &value, sizeof value));
  printf("it was %llu\n", (unsigned long long)value);
  say_ready("0", fd);
  say("read of 0", read(fd, &value, sizeof value));
  value = UINT64_MAX;
  say("write of the largest", write(fd, &value, sizeof value));
  value = UINT64_MAX - 1;
  say("write of one less", write(fd, &value, sizeof value));
  say_ready("full", fd);
  value = 1;
  say("write to a full one", write(fd, &value, sizeof value));
  say("read of 4 bytes", read(fd, &value, 4));
  say("write of 4 bytes", write(fd, &value, 4));
  close(fd);
  fd = need("eventfd", eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
  for (int i = 0; i < 3; i++) {
    say("semaphore", read(fd, &value, sizeof value));
    printf("value %llu\n", (unsigned long long)value);
  }
  close(fd);
}

static void timers(void) {
  struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
  struct itimerspec never = {0};
  struct itimerspec wrong = {.it_value = {.tv_nsec = 1000000000}};
  uint64_t count = 0;
  int fd = need("timerfd_create", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  say_ready("not set", fd);
  say("read", read(fd, &count, sizeof count));
  say("set", timerfd_settime(fd, 0, &soon, NULL));
  settle(fd, EPOLLIN);
  say_ready("fired", fd);
  say("read", read(fd, &count, sizeof count));
  printf("it fired %llu times\n", (unsigned long long)count);
  say("read again", read(fd, &count, sizeof count));
  say("set, absolute and past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &soon, NULL));
  settle(fd, EPOLLIN);
  say("disarmed", timerfd_settime(fd, 0, &never, NULL));
  say_ready("disarmed", fd);
  say("wrong time", timerfd_settime(fd, 0, &wrong, NULL));
  say("wrong flags", timerfd_settime(fd, 64, &soon, NULL));
  say("gettime", timerfd_gettime(fd, &wrong));
  say("nothing is left", wrong.it_value.tv_sec + wrong.it_value.tv_nsec);
  say("settime of a wrong kind", timerfd_settime(1, 0, &soon, NULL));
  say("wrong flags", timerfd_create(CLOCK_MONOTONIC, 1));
  close(fd);
}

static const struct example EXAMPLES[] = {
    {"E20: an empty datagram is no end", empty_datagram},
    {"E20: the largest datagram", sizes},
    {"E20: a datagram that is too large for its buffer is cut, and told", truncated},
    {"E8, E20: nobody at the other end", unreachable},
    {"9.3: connected datagram sockets", connected_datagrams},
    {"9.3: shutdown of datagram sockets", datagram_shutdown},
    {"E8: a unix peer that closes with data unread", unix_unread},
    {"9.3: pairs of every type", unix_pairs},
    {"9.3: unix sockets that were never connected", unix_fresh},
    {"eventfd counts", event_counts},
    {"timerfd fires", timers},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

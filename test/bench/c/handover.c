// The yardstick of a hand-over: one thread passes an accepted connection to another by SCM_RIGHTS
// over a SOCK_SEQPACKET pair, and gets an answer back, again and again, as guests/as/handover.ts
// does. Each waits for the other in epoll_wait(2). Prints the nanoseconds from before the send to
// after the receive, a line a time.
//
//   handover [COUNT]
#include "common.h"

#include <pthread.h>
#include <sys/epoll.h>

#define COUNT_MAX 1000000

static int pair[2];
static int count = 1000;
static uint64_t times[COUNT_MAX];

static void wait_readable(int epoll) {
  struct epoll_event event;
  int ready;
  do ready = epoll_wait(epoll, &event, 1, -1);
  while (ready < 0 && errno == EINTR);
  if (ready < 0) die("epoll_wait");
}

static int watch(int fd) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll");
  return epoll;
}

static void send_stamp(int passed) {
  uint64_t stamp = now_ns();
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof passed)];
  } control;
  struct iovec data = {&stamp, sizeof stamp};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof passed);
  memcpy(CMSG_DATA(rights), &passed, sizeof passed);
  if (sendmsg(pair[0], &message, MSG_NOSIGNAL) < 0) die("sendmsg");
}

// How long the message that has come was on its way; its descriptor is closed.
static uint64_t receive_stamp(void) {
  uint64_t stamp;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec data = {&stamp, sizeof stamp};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  if (recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC) != sizeof stamp) die("recvmsg");
  uint64_t took = now_ns() - stamp;
  int passed;
  memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
  close(passed);
  return took;
}

static void *take_all(void *unused) {
  int epoll = watch(pair[1]);
  for (int i = 0; i < count; i++) {
    wait_readable(epoll);
    times[i] = receive_stamp();
    if (i + 1 < count && send(pair[1], "", 1, MSG_NOSIGNAL) < 0) die("send");
  }
  return unused;
}

static void give_all(int passed) {
  int epoll = watch(pair[0]);
  for (int i = 0; i < count; i++) {
    if (i > 0) {
      char asked;
      wait_readable(epoll);
      if (recv(pair[0], &asked, 1, 0) != 1) die("recv");
    }
    send_stamp(passed);
  }
}

int main(int argc, char **argv) {
  if (argc > 1) count = atoi(argv[1]);
  if (count < 1 || count > COUNT_MAX) {
    fprintf(stderr, "handover: COUNT is a number from 1 to %d\n", COUNT_MAX);
    return 2;
  }
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
    die("socketpair");
  }
  uint16_t port = 0;
  int listener = listen_at(&port, 0);
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(port);
  if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof address) < 0) {
    die("connect");
  }
  int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) die("accept4");
  pthread_t taker;
  errno = pthread_create(&taker, NULL, take_all, NULL);
  if (errno != 0) die("pthread_create");
  give_all(accepted);
  pthread_join(taker, NULL);
  for (int i = 0; i < count; i++) printf("%llu\n", (unsigned long long)times[i]);
  return 0;
}

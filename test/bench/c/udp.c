// The yardstick of the UDP workloads: echo with epoll(7), recvfrom(2) and sendto(2).
//
//   udp [PORT]
//
// Level-triggered: each event takes datagrams until there are none, but not more than 64, as a
// server with other things to do would. A datagram whose answer finds the send buffer full is lost,
// as datagrams are.
#include "common.h"

#include <sys/epoll.h>

#define BUFFER_BYTES (64 * 1024)
#define DATAGRAMS_PER_EVENT 64

static uint8_t buffer[BUFFER_BYTES];

static void echo_some(int fd) {
  for (int i = 0; i < DATAGRAMS_PER_EVENT; i++) {
    struct sockaddr_in from;
    socklen_t bytes = sizeof from;
    ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &bytes);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0 && errno != EINTR) die("recvfrom");
    if (n < 0) continue;
    if (sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, bytes) < 0 && errno != EAGAIN) {
      die("sendto");
    }
  }
}

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  struct sockaddr_in address = loopback((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
  socklen_t bytes = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, bytes) < 0) die("bind");
  if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0) die("getsockname");
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  struct epoll_event watched = {.events = EPOLLIN};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &watched) < 0) die("epoll_ctl");
  fprintf(stderr, "listening on udp://127.0.0.1:%d\n", ntohs(address.sin_port));
  for (;;) {
    struct epoll_event ready;
    int count = epoll_wait(epoll, &ready, 1, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    if (count > 0) echo_some(fd);
  }
}

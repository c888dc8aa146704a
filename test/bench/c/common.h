// What the C programs of the benchmark share: a way out, a clock, a listener, a raised limit.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Ends the program with the errno of the call that failed: a benchmark has nothing to fall back on.
static inline void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) < 0) die("clock_gettime");
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

// Raises the soft limit of open files to the hard one, as Node does when it starts.
static inline void raise_nofile(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
}

static inline struct sockaddr_in loopback(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static inline void set_nodelay(int fd) {
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) die("setsockopt");
}

// Listens on 127.0.0.1, non-blocking, where others may too if they share it; port 0 picks one.
static inline int listen_at(uint16_t *port, int shared) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) die("setsockopt");
  if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) die("setsockopt");
  struct sockaddr_in address = loopback(*port);
  socklen_t bytes = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, bytes) < 0) die("bind");
  if (listen(fd, 4096) < 0) die("listen");
  if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0) die("getsockname");
  *port = ntohs(address.sin_port);
  return fd;
}

static inline int listen_shared(uint16_t *port) { return listen_at(port, 1); }

// Listens alone, and prints the line the driver waits for.
static inline int listen_loopback(uint16_t port) {
  int fd = listen_at(&port, 0);
  fprintf(stderr, "listening on tcp://127.0.0.1:%d\n", port);
  return fd;
}

/*
 * What the programs of this folder share. Each is plain Linux C: a table of named cases, each of
 * which prints what it observes, one line an observation. The same source is run natively and as
 * a guest, and the lines must be equal, so no line has a descriptor's number, a port or a time.
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#ifndef __wasi__
#include <signal.h>
#include <sys/resource.h>
#endif

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define ALL_EVENTS (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP)
/* Longest that anything on loopback can take, in milliseconds. */
#define SETTLE_MS 5000
#define BATCH 256

struct example {
  const char *sentence;
  void (*run)(void);
};

struct name {
  long long value;
  const char *text;
};

static const struct name EVENT_NAMES[] = {
    {EPOLLIN, "IN"},         {EPOLLPRI, "PRI"},       {EPOLLOUT, "OUT"},
    {EPOLLERR, "ERR"},       {EPOLLHUP, "HUP"},       {EPOLLRDNORM, "RDNORM"},
    {EPOLLRDBAND, "RDBAND"}, {EPOLLWRNORM, "WRNORM"}, {EPOLLWRBAND, "WRBAND"},
    {EPOLLMSG, "MSG"},       {EPOLLRDHUP, "RDHUP"},   {EPOLLEXCLUSIVE, "EXCLUSIVE"},
    {EPOLLWAKEUP, "WAKEUP"}, {EPOLLONESHOT, "ONESHOT"}, {EPOLLET, "ET"},
};

#define ERRNO(name) {name, #name}
static const struct name ERRNO_NAMES[] = {
    ERRNO(EACCES),       ERRNO(EADDRINUSE),      ERRNO(EADDRNOTAVAIL), ERRNO(EAFNOSUPPORT),
    ERRNO(EAGAIN),       ERRNO(EALREADY),        ERRNO(EBADF),         ERRNO(ECONNABORTED),
    ERRNO(ECONNREFUSED), ERRNO(ECONNRESET),      ERRNO(EDESTADDRREQ),  ERRNO(EEXIST),
    ERRNO(EFAULT),       ERRNO(EINPROGRESS),     ERRNO(EINTR),         ERRNO(EINVAL),
    ERRNO(EIO),          ERRNO(EISCONN),         ERRNO(ELOOP),         ERRNO(EMFILE),
    ERRNO(EMSGSIZE),     ERRNO(ENOBUFS),         ERRNO(ENOENT),        ERRNO(ENOMEM),
    ERRNO(ENOPROTOOPT),  ERRNO(ENOSPC),          ERRNO(ENOSYS),        ERRNO(ENOTCONN),
    ERRNO(ENOTSOCK),     ERRNO(EOPNOTSUPP),      ERRNO(EPERM),         ERRNO(EPIPE),
    ERRNO(EPROTO),       ERRNO(EPROTONOSUPPORT), ERRNO(EPROTOTYPE),    ERRNO(ESPIPE),
    ERRNO(ETIMEDOUT),    ERRNO(ENETUNREACH),
};

static inline const char *errno_name(int number) {
  static char other[24];
  for (int i = 0; i < COUNT(ERRNO_NAMES); i++) {
    if (ERRNO_NAMES[i].value == number) return ERRNO_NAMES[i].text;
  }
  snprintf(other, sizeof other, "errno %d", number);
  return other;
}

static inline void print_events(uint32_t events) {
  const char *before = "";
  if (events == 0) printf("none");
  for (int i = 0; i < COUNT(EVENT_NAMES); i++) {
    if ((events & (uint32_t)EVENT_NAMES[i].value) == 0) continue;
    printf("%s%s", before, EVENT_NAMES[i].text);
    before = "|";
  }
}

/* Prints what a call came to: its errno, or the number itself. */
static inline void say(const char *what, long long result) {
  if (result < 0) printf("%s: errno=%s\n", what, errno_name(errno));
  else printf("%s: %lld\n", what, result);
}

/* Prints whether a call succeeded, whatever descriptor or number it gave; and gives it on. */
static inline int say_whether(const char *what, int result) {
  if (result < 0) printf("%s: errno=%s\n", what, errno_name(errno));
  else printf("%s: ok\n", what);
  return result;
}

/* For what a case only needs: its failure is an observation, for it must not happen. */
static inline int need(const char *what, int result) {
  if (result < 0) printf("broken: %s errno=%s\n", what, errno_name(errno));
  return result;
}

static inline int control(int epoll, int op, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  return epoll_ctl(epoll, op, fd, &event);
}

static inline int new_epoll(void) { return need("epoll_create1", epoll_create1(EPOLL_CLOEXEC)); }

/* Registers what must be possible to register. */
static inline void watch(int epoll, int fd, uint32_t events, uint64_t data) {
  need("EPOLL_CTL_ADD", control(epoll, EPOLL_CTL_ADD, fd, events, data));
}

static inline int by_data(const void *one, const void *other) {
  uint64_t a = ((const struct epoll_event *)one)->data.u64;
  uint64_t b = ((const struct epoll_event *)other)->data.u64;
  return (a > b) - (a < b);
}

/* Prints all that a wait of no time gives, by data: `what: n=2 1=IN 2=IN|OUT`. */
static inline int say_wait(const char *what, int epoll) {
  struct epoll_event events[BATCH];
  int n = epoll_wait(epoll, events, BATCH, 0);
  if (n < 0) return say(what, n), n;
  qsort(events, (size_t)n, sizeof events[0], by_data);
  printf("%s: n=%d", what, n);
  for (int i = 0; i < n; i++) {
    printf(" %llu=", (unsigned long long)events[i].data.u64);
    print_events(events[i].events);
  }
  printf("\n");
  return n;
}

/* Prints what a descriptor is ready for, asked with `mask` of an instance of its own. */
static inline void say_masked(const char *what, int fd, uint32_t mask) {
  struct epoll_event event = {0};
  int epoll = new_epoll();
  watch(epoll, fd, mask, 0);
  int n = epoll_wait(epoll, &event, 1, 0);
  printf("%s: events=", what);
  print_events(n == 1 ? event.events : 0);
  printf("\n");
  close(epoll);
}

static inline void say_ready(const char *what, int fd) { say_masked(what, fd, ALL_EVENTS); }

/* Waits until the network has brought one of `events`, an error or a hang-up. */
static inline void settle(int fd, uint32_t events) {
  struct epoll_event event;
  int epoll = new_epoll();
  watch(epoll, fd, events, 0);
  if (epoll_wait(epoll, &event, 1, SETTLE_MS) != 1) printf("broken: it never came\n");
  close(epoll);
}

static inline struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static inline struct sockaddr_in name_of(int fd) {
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  need("getsockname", getsockname(fd, (struct sockaddr *)&address, &length));
  return address;
}

static inline int connect_to(int fd, struct sockaddr_in address) {
  return connect(fd, (struct sockaddr *)&address, sizeof address);
}

/* A socket that does not block. */
static inline int new_socket(int domain, int type) {
  return need("socket", socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/* One that is bound to a port of the system's choice on 127.0.0.1. */
static inline int bound(int type) {
  struct sockaddr_in address = loopback(0);
  int fd = new_socket(AF_INET, type);
  need("bind", bind(fd, (struct sockaddr *)&address, sizeof address));
  return fd;
}

static inline int new_listener(int backlog) {
  int fd = bound(SOCK_STREAM);
  need("listen", listen(fd, backlog));
  return fd;
}

static inline int new_client(int listener) {
  int fd = new_socket(AF_INET, SOCK_STREAM);
  if (connect_to(fd, name_of(listener)) < 0 && errno != EINPROGRESS) need("connect", -1);
  return fd;
}

static inline int accepted(int listener) {
  settle(listener, EPOLLIN);
  return need("accept4", accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/* A TCP connection, both ends open and idle: the accepted end first. */
static inline void tcp_pair(int ends[2]) {
  int listener = new_listener(8);
  ends[1] = new_client(listener);
  ends[0] = accepted(listener);
  settle(ends[1], EPOLLOUT);
  close(listener);
}

static inline void new_pair(int type, int ends[2]) {
  need("socketpair", socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
}

static inline void close_both(const int ends[2]) {
  close(ends[0]);
  close(ends[1]);
}

static inline int new_event(unsigned count) {
  return need("eventfd", eventfd(count, EFD_NONBLOCK | EFD_CLOEXEC));
}

static inline long long send_text(int fd, const char *text) {
  return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Takes at most `length` bytes, and prints how many there were. */
static inline void say_recv(const char *what, int fd, size_t length) {
  char bytes[4096];
  say(what, recv(fd, bytes, length, MSG_DONTWAIT));
}

/* Closes with a reset instead of a FIN. */
static inline void reset(int fd) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  need("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  close(fd);
}

static inline const char *pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  need("SO_ERROR", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
  return error == 0 ? "none" : errno_name(error);
}

/* The lowest free descriptor: it tells whether a case closed all that it opened. */
static inline int lowest_free(void) {
  int fd = new_event(0);
  close(fd);
  return fd;
}

static inline int run_examples(const struct example *examples, int count) {
#ifndef __wasi__
  signal(SIGPIPE, SIG_IGN);
#endif
  int status = 0;
  // A program that ends in the middle has told what it saw till then.
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  for (int i = 0; i < count; i++) {
    int free_before = lowest_free();
    printf("# %s\n", examples[i].sentence);
    examples[i].run();
    if (lowest_free() == free_before) continue;
    printf("broken: descriptors are left open\n");
    status = 1;
  }
  return status;
}

#endif

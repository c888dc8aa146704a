// epoll(7) and eventfd(2).
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "imports.h"

IMPORT(epoll_create1)(int flags, int *fd);
IMPORT(epoll_ctl)(int epfd, int op, int fd, const struct epoll_event *event);
IMPORT(epoll_wait)(int epfd, struct epoll_event *events, int maxevents, int timeout, int *n);
IMPORT(epoll_pwait2)(int epfd, struct epoll_event *events, int maxevents,
                     const struct timespec64 *timeout, int *n);
IMPORT(eventfd)(unsigned initval, int flags, int *fd);

_Static_assert(sizeof(struct epoll_event) == 16, "the host's epoll_event");
_Static_assert(offsetof(struct epoll_event, data) == 8, "the host's epoll_event");

int epoll_create1(int flags) {
  int fd = -1;
  return outcome(sandpoll_epoll_create1(flags, &fd), fd);
}

int epoll_create(int size) { return size <= 0 ? status(EINVAL) : epoll_create1(0); }

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event) {
  return status(sandpoll_epoll_ctl(epfd, op, fd, event));
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout) {
  int n = -1;
  return outcome(sandpoll_epoll_wait(epfd, events, maxevents, timeout, &n), n);
}

int epoll_pwait(int epfd, struct epoll_event *events, int maxevents, int timeout,
                const sigset_t *mask) {
  (void)mask;
  return epoll_wait(epfd, events, maxevents, timeout);
}

int epoll_pwait2(int epfd, struct epoll_event *events, int maxevents,
                 const struct timespec *timeout, const sigset_t *mask) {
  (void)mask;
  struct timespec64 wide;
  if (timeout) wide = (struct timespec64){timeout->tv_sec, timeout->tv_nsec};
  int n = -1;
  int error = sandpoll_epoll_pwait2(epfd, events, maxevents, timeout ? &wide : NULL, &n);
  return outcome(error, n);
}

int eventfd(unsigned int initval, int flags) {
  int fd = -1;
  return outcome(sandpoll_eventfd(initval, flags, &fd), fd);
}

int eventfd_read(int fd, eventfd_t *value) {
  return read(fd, value, sizeof *value) == (ssize_t)sizeof *value ? 0 : -1;
}

int eventfd_write(int fd, eventfd_t value) {
  return write(fd, &value, sizeof value) == (ssize_t)sizeof value ? 0 : -1;
}

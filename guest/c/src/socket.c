// socket(2) and its family. recv and send are the host's own calls: no vector is built for them.
#include <sys/socket.h>
#include <time.h>

#include "imports.h"

IMPORT(socket)(int domain, int type, int protocol, int *fd);
IMPORT(socketpair)(int domain, int type, int protocol, int *fds);
IMPORT(bind)(int fd, const struct sockaddr *address, socklen_t bytes);
IMPORT(connect)(int fd, const struct sockaddr *address, socklen_t bytes);
IMPORT(listen)(int fd, int backlog);
IMPORT(accept4)(int fd, struct sockaddr *address, socklen_t *bytes, int flags, int *accepted);
IMPORT(shutdown)(int fd, int how);
IMPORT(getsockname)(int fd, struct sockaddr *address, socklen_t *bytes);
IMPORT(getpeername)(int fd, struct sockaddr *address, socklen_t *bytes);
IMPORT(recv)(int fd, void *buffer, size_t bytes, int flags, ssize_t *size);
IMPORT(send)(int fd, const void *buffer, size_t bytes, int flags, ssize_t *size);
IMPORT(recvfrom)(int fd, void *buffer, size_t bytes, int flags, struct sockaddr *address,
                 socklen_t *address_bytes, ssize_t *size);
IMPORT(sendto)(int fd, const void *buffer, size_t bytes, int flags, const struct sockaddr *address,
               socklen_t address_bytes, ssize_t *size);
IMPORT(recvmsg)(int fd, struct msghdr *message, int flags, ssize_t *size);
IMPORT(sendmsg)(int fd, const struct msghdr *message, int flags, ssize_t *size);
IMPORT(recvmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags,
                 struct timespec64 *timeout, int *n);
IMPORT(sendmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags, int *n);
IMPORT(getsockopt)(int fd, int level, int name, void *value, socklen_t *bytes);
IMPORT(setsockopt)(int fd, int level, int name, const void *value, socklen_t bytes);

_Static_assert(sizeof(struct msghdr) == 28, "the host's msghdr");
_Static_assert(sizeof(struct mmsghdr) == 32, "the host's mmsghdr");
_Static_assert(sizeof(struct sockaddr_storage) == 128, "Linux's sockaddr_storage");

int socket(int domain, int type, int protocol) {
  int fd = -1;
  return outcome(sandpoll_socket(domain, type, protocol, &fd), fd);
}

int socketpair(int domain, int type, int protocol, int fds[2]) {
  return status(sandpoll_socketpair(domain, type, protocol, fds));
}

int bind(int fd, const struct sockaddr *address, socklen_t bytes) {
  return status(sandpoll_bind(fd, address, bytes));
}

int connect(int fd, const struct sockaddr *address, socklen_t bytes) {
  return status(sandpoll_connect(fd, address, bytes));
}

int listen(int fd, int backlog) { return status(sandpoll_listen(fd, backlog)); }

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes, int flags) {
  int accepted = -1;
  return outcome(sandpoll_accept4(fd, address, bytes, flags, &accepted), accepted);
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes) {
  return accept4(fd, address, bytes, 0);
}

int shutdown(int fd, int how) { return status(sandpoll_shutdown(fd, how)); }

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes) {
  return status(sandpoll_getsockname(fd, address, bytes));
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes) {
  return status(sandpoll_getpeername(fd, address, bytes));
}

ssize_t recv(int fd, void *buffer, size_t bytes, int flags) {
  ssize_t size = -1;
  return outcome(sandpoll_recv(fd, buffer, bytes, flags, &size), size);
}

ssize_t send(int fd, const void *buffer, size_t bytes, int flags) {
  ssize_t size = -1;
  return outcome(sandpoll_send(fd, buffer, bytes, flags, &size), size);
}

ssize_t recvfrom(int fd, void *restrict buffer, size_t bytes, int flags,
                 struct sockaddr *restrict address, socklen_t *restrict address_bytes) {
  ssize_t size = -1;
  int error = sandpoll_recvfrom(fd, buffer, bytes, flags, address, address_bytes, &size);
  return outcome(error, size);
}

ssize_t sendto(int fd, const void *buffer, size_t bytes, int flags, const struct sockaddr *address,
               socklen_t address_bytes) {
  ssize_t size = -1;
  return outcome(sandpoll_sendto(fd, buffer, bytes, flags, address, address_bytes, &size), size);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t size = -1;
  return outcome(sandpoll_recvmsg(fd, message, flags, &size), size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  ssize_t size = -1;
  return outcome(sandpoll_sendmsg(fd, message, flags, &size), size);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
             struct timespec *timeout) {
  struct timespec64 wide;
  if (timeout) wide = (struct timespec64){timeout->tv_sec, timeout->tv_nsec};
  int n = -1;
  int error = sandpoll_recvmmsg(fd, messages, count, flags, timeout ? &wide : NULL, &n);
  if (timeout && error == 0) {
    timeout->tv_sec = wide.seconds;
    timeout->tv_nsec = (long)wide.nanoseconds;
  }
  return outcome(error, n);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  int n = -1;
  return outcome(sandpoll_sendmmsg(fd, messages, count, flags, &n), n);
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict bytes) {
  return status(sandpoll_getsockopt(fd, level, name, value, bytes));
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes) {
  return status(sandpoll_setsockopt(fd, level, name, value, bytes));
}

// A call of every kind that guest/c has, and what it answers: the same on Linux and in a guest.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME(error) {error, #error}
static const struct {
  int error;
  const char *name;
} names[] = {
    NAME(0),           NAME(EAGAIN), NAME(EBADF),  NAME(ECONNREFUSED), NAME(EEXIST),
    NAME(EINPROGRESS), NAME(EINVAL), NAME(ENOENT), NAME(ENOTCONN),     NAME(EOPNOTSUPP),
    NAME(EPERM),       NAME(EPIPE),  NAME(EPROTONOSUPPORT),
};

// An errno by its name: the numbers of a guest are WASI's.
static const char *name_of(int error) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].error == error) return names[i].name;
  }
  return strerror(error);
}

static long say(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, name_of(errno));
  else printf("%s: %ld\n", what, result);
  return result;
}

// For a new descriptor, whose number is nobody's business.
static int made(const char *what, int fd) {
  say(what, fd < 0 ? -1 : 0);
  return fd;
}

static void epolls(void) {
  int epoll = made("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
  made("epoll_create1 with a wrong flag", epoll_create1(1));
  made("epoll_create of 0", epoll_create(0));
  int event = made("eventfd", eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE));
  struct epoll_event asked = {.events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdef0};
  say("epoll_ctl ADD", epoll_ctl(epoll, EPOLL_CTL_ADD, event, &asked));
  say("epoll_ctl ADD again", epoll_ctl(epoll, EPOLL_CTL_ADD, event, &asked));
  say("epoll_ctl of itself", epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &asked));
  struct epoll_event got[2] = {0};
  say("epoll_wait", epoll_wait(epoll, got, 2, 1000));
  printf("data %d events %x\n", got[0].data.u64 == asked.data.u64, got[0].events);
  struct timespec soon = {.tv_nsec = 1000000};
  say("epoll_pwait2 after the edge", epoll_pwait2(epoll, got, 2, &soon, NULL));
  struct timespec wrong = {.tv_nsec = 1000000000};
  say("epoll_pwait2 of too many nanoseconds", epoll_pwait2(epoll, got, 2, &wrong, NULL));
  struct timespec negative = {.tv_nsec = -1};
  say("epoll_pwait2 of less than none", epoll_pwait2(epoll, got, 2, &negative, NULL));
  say("epoll_pwait of no time", epoll_pwait(epoll, got, 2, 0, NULL));
  say("epoll_ctl DEL", epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL));
  say("epoll_ctl DEL again", epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL));
  eventfd_t value = 0;
  say("eventfd_read", eventfd_read(event, &value));
  say("eventfd_write", eventfd_write(event, 40));
  printf("value %d\n", (int)value);
  close(event);
  say("close again", close(event));
  close(epoll);
}

static void timers(void) {
  int timer = made("timerfd_create", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  made("timerfd_create of no clock", timerfd_create((clockid_t)99, 0));
  struct itimerspec spec = {.it_value = {.tv_sec = 1000}, .it_interval = {.tv_nsec = 5000000}};
  struct itimerspec old = {.it_value = {.tv_sec = 7}};
  uint64_t times = 0;
  say("read before it was set", read(timer, &times, sizeof times));
  say("timerfd_settime", timerfd_settime(timer, 0, &spec, &old));
  printf("old %d\n", (int)old.it_value.tv_sec);
  say("timerfd_gettime", timerfd_gettime(timer, &old));
  printf("left %d interval %ld\n", old.it_value.tv_sec >= 999, (long)old.it_interval.tv_nsec);
  say("read before it is due", read(timer, &times, sizeof times));
  spec = (struct itimerspec){.it_value = {.tv_nsec = 1}};
  say("timerfd_settime", timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL));
  say("read when it is due", read(timer, &times, sizeof times));
  printf("times %d\n", (int)times);
  spec.it_value.tv_nsec = -1;
  say("timerfd_settime of less than none", timerfd_settime(timer, 0, &spec, NULL));
  close(timer);
}

static int raised;

static void on_signal(int signal) { raised = signal; }

static void signals(void) {
  sigset_t set;
  sigset_t old;
  sigemptyset(&set);
  say("sigaddset", sigaddset(&set, SIGTERM));
  say("sigaddset of 65", sigaddset(&set, 65));
  printf("members %d %d\n", sigismember(&set, SIGTERM), sigismember(&set, SIGINT));
  say("sigprocmask", sigprocmask(SIG_BLOCK, &set, NULL));
  say("sigprocmask", sigprocmask(SIG_SETMASK, NULL, &old));
  printf("blocked %d %d\n", sigismember(&old, SIGTERM), sigismember(&old, SIGINT));
  say("sigprocmask of nothing known", sigprocmask(9, &set, NULL));
  printf("signal %d\n", signal(SIGPIPE, SIG_IGN) == SIG_DFL);
  printf("signal %d\n", signal(SIGPIPE, SIG_DFL) == SIG_IGN);
  printf("signal %d\n", signal(SIGKILL, SIG_IGN) == SIG_ERR);
  struct sigaction action = {.sa_handler = on_signal};
  say("sigaction", sigaction(SIGUSR1, &action, NULL));
  say("raise", raise(SIGUSR1));
  printf("raised %d\n", raised == SIGUSR1);
  int fd = made("signalfd", signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  struct signalfd_siginfo info;
  say("read without a signal", read(fd, &info, sizeof info));
  made("signalfd with a wrong flag", signalfd(-1, &set, 1));
  close(fd);
}

static void pipes(void) {
  int fds[2];
  say("pipe2", pipe2(fds, O_NONBLOCK | O_CLOEXEC));
  char text[8] = "";
  say("read of an empty pipe", read(fds[0], text, sizeof text));
  say("write", write(fds[1], "pipe", 4));
  say("read", read(fds[0], text, sizeof text));
  close(fds[1]);
  say("read at the end", read(fds[0], text, sizeof text));
  close(fds[0]);
  say("pipe", pipe(fds));
  say("fcntl", fcntl(fds[0], F_SETFL, fcntl(fds[0], F_GETFL) | O_NONBLOCK));
  say("read of an empty pipe", read(fds[0], text, sizeof text));
  close(fds[0]);
  close(fds[1]);
}

static void messages(int one, int other) {
  char first[4] = "";
  char second[8] = "";
  struct iovec out[2] = {{.iov_base = "abc", .iov_len = 3}, {.iov_base = "defgh", .iov_len = 5}};
  struct iovec in[2] = {{.iov_base = first, .iov_len = 3}, {.iov_base = second, .iov_len = 7}};
  say("writev", writev(one, out, 2));
  say("readv", readv(other, in, 2));
  struct msghdr message = {.msg_iov = out, .msg_iovlen = 2};
  say("sendmsg", sendmsg(one, &message, MSG_NOSIGNAL));
  message.msg_iov = in;
  say("recvmsg", recvmsg(other, &message, 0));
  printf("%s %s flags %x\n", first, second, (unsigned)message.msg_flags);
  say("sendto", sendto(one, "x", 1, 0, NULL, 0));
  say("recv of a peek", recv(other, first, 1, MSG_PEEK));
  say("recvfrom", recvfrom(other, first, 1, 0, NULL, NULL));
  say("recv of nothing", recv(other, first, 1, MSG_DONTWAIT));
  say("shutdown", shutdown(one, SHUT_WR));
  say("recv at the end", recv(other, first, 1, 0));
  say("send after it", send(one, "x", 1, MSG_NOSIGNAL));
}

static void pairs(void) {
  int fds[2];
  say("socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  messages(fds[0], fds[1]);
  close(fds[0]);
  close(fds[1]);
  say("socketpair of AF_INET", socketpair(AF_INET, SOCK_STREAM, 0, fds));
}

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t bytes = sizeof value;
  return getsockopt(fd, level, name, &value, &bytes) < 0 ? -1 : value;
}

// Connects to a listener of its own, and waits for what comes of it.
static void streams(void) {
  int listener = made("socket", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
  made("socket of a strange type", socket(AF_INET, 77, 0));
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  say("bind", bind(listener, (struct sockaddr *)&address, bytes));
  say("listen", listen(listener, SOMAXCONN));
  say("getsockname", getsockname(listener, (struct sockaddr *)&address, &bytes));
  printf("name of %d bytes, family %d\n", (int)bytes, address.sin_family);
  made("accept of nobody", accept(listener, NULL, NULL));
  int client = made("socket", socket(AF_INET, SOCK_STREAM, 0));
  say("connect", connect(client, (struct sockaddr *)&address, sizeof address));
  struct sockaddr_storage peer;
  bytes = sizeof peer;
  int server = made("accept4", accept4(listener, (struct sockaddr *)&peer, &bytes, SOCK_CLOEXEC));
  printf("peer of %d bytes, family %d\n", (int)bytes, peer.ss_family);
  bytes = sizeof peer;
  say("getpeername", getpeername(client, (struct sockaddr *)&peer, &bytes));
  int on = 1;
  say("TCP_NODELAY", setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  say("TCP_NODELAY is", option(client, IPPROTO_TCP, TCP_NODELAY) != 0);
  say("SO_TYPE is", option(client, SOL_SOCKET, SO_TYPE));
  say("SO_ERROR is", option(client, SOL_SOCKET, SO_ERROR));
  messages(client, server);
  close(client);
  close(listener);
  int refused = socket(AF_INET, SOCK_STREAM, 0);
  say("connect to nobody", connect(refused, (struct sockaddr *)&address, sizeof address));
  say("getpeername of nobody", getpeername(refused, (struct sockaddr *)&peer, &bytes));
  close(refused);
  close(server);
}

// Its errno is that of this C library, whatever the number.
static void pending_error(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  say("bind", bind(listener, (struct sockaddr *)&address, bytes));
  say("getsockname", getsockname(listener, (struct sockaddr *)&address, &bytes));
  int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  // Bound, and not listening: the answer is RST.
  say("connect", connect(client, (struct sockaddr *)&address, sizeof address));
  struct epoll_event event = {.events = EPOLLOUT};
  int epoll = epoll_create1(0);
  epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
  say("epoll_wait", epoll_wait(epoll, &event, 1, 5000));
  printf("SO_ERROR is %s\n", name_of(option(client, SOL_SOCKET, SO_ERROR)));
  close(epoll);
  close(client);
  close(listener);
}

static void limits(void) {
  struct rlimit limit = {0};
  say("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
  printf("some %d\n", limit.rlim_cur > 0 && limit.rlim_cur <= limit.rlim_max);
  limit.rlim_cur = limit.rlim_max;
  say("setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
  say("setrlimit of more than there are",
      setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = 2, .rlim_max = 1}));
  say("getrlimit of nothing", getrlimit(99, &limit));
  struct rusage usage;
  say("getrusage", getrusage(RUSAGE_SELF, &usage));
}

int main(void) {
  epolls();
  timers();
  signals();
  pipes();
  pairs();
  streams();
  pending_error();
  limits();
}

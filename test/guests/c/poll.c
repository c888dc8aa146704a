// poll, select and FIONREAD, of a socket, a file and stdio at once. `poll LISTENER` accepts one
// connection, whose peer sends 12345 when it has got "go", and ends when it has got "end".
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND 1000000LL

static long long now(void) {
  struct timespec time = {0};
  need("clock_gettime", clock_gettime(CLOCK_MONOTONIC, &time));
  return time.tv_sec * 1000 * MILLISECOND + time.tv_nsec;
}

static void say_events(const char *what, short events) {
  printf(" %s:", what);
  if (events & POLLIN) printf("IN");
  if (events & POLLOUT) printf("OUT");
  if (events & POLLERR) printf("ERR");
  if (events & POLLHUP) printf("HUP");
  if (events & POLLNVAL) printf("NVAL");
}

static void poll_one(const char *what, int fd, short events, int timeout) {
  struct pollfd one = {.fd = fd, .events = events};
  int ready = poll(&one, 1, timeout);
  printf("%s: %s %d", what, outcome(ready), ready);
  say_events("events", one.revents);
  putchar('\n');
}

static void say_unread(const char *what, int fd) {
  int unread = -1;
  int result = ioctl(fd, FIONREAD, &unread);
  printf("FIONREAD of %s: %s %d\n", what, outcome(result), unread);
}

static int open_file(void) {
  int fd = need("open", open("file", O_RDWR | O_CREAT, 0644));
  need("write", (int)write(fd, "1234567", 7));
  need("lseek", (int)lseek(fd, 2, SEEK_SET));
  return fd;
}

static void poll_all(const char *what, int connection, int file) {
  struct pollfd all[] = {
      {.fd = connection, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = POLLOUT},
      {.fd = file, .events = POLLIN | POLLOUT}, {.fd = 900, .events = POLLIN},
      {.fd = connection, .events = POLLOUT},
  };
  int ready = poll(all, COUNT(all), 10000);
  printf("%s: %d", what, ready);
  say_events("connection", all[0].revents);
  say_events("stdout", all[1].revents);
  say_events("file", all[2].revents);
  say_events("not open", all[3].revents);
  say_events("connection", all[4].revents);
  putchar('\n');
}

static void select_all(const char *what, int connection, int file, long microseconds) {
  fd_set reads;
  fd_set writes;
  struct timeval timeout = {.tv_sec = microseconds / 1000000, .tv_usec = microseconds % 1000000};
  FD_ZERO(&reads);
  FD_ZERO(&writes);
  FD_SET(connection, &reads);
  if (file >= 0) FD_SET(file, &reads);
  if (file >= 0) FD_SET(STDOUT_FILENO, &writes);
  long long begin = now();
  int ready = select(1000, &reads, &writes, NULL, &timeout);
  int waited = now() - begin >= microseconds * 1000;
  printf("%s: %d connection %d", what, ready, FD_ISSET(connection, &reads) != 0);
  if (file >= 0) printf(" file %d", FD_ISSET(file, &reads) != 0);
  if (file >= 0) printf(" stdout %d", FD_ISSET(STDOUT_FILENO, &writes) != 0);
  if (ready == 0) printf(" waited %d", waited);
  putchar('\n');
}

static void waiting(int connection) {
  long long begin = now();
  poll_one("nothing to read", connection, POLLIN, 20);
  fact("it waited", now() - begin >= 20 * MILLISECOND);
  poll_one("nothing to read, at once", connection, POLLIN, 0);
  poll_one("room to write", connection, POLLIN | POLLOUT, -1);
  select_all("select of nothing to read", connection, -1, 20000);
  begin = now();
  printf("poll of nothing: %d\n", poll(NULL, 0, 10));
  fact("it waited", now() - begin >= 10 * MILLISECOND);
  say_unread("what has sent nothing", connection);
}

int main(int argc, char **argv) {
  char bytes[8];
  int listener = argc > 1 ? atoi(argv[1]) : 3;
  poll_one("listener", listener, POLLIN, -1);
  int connection = need("accept", accept(listener, NULL, NULL));
  poll_one("listener, when nobody comes", listener, POLLIN, 0);
  waiting(connection);
  int file = open_file();
  say_unread("a file", file);
  send(connection, "go", 2, 0);
  poll_one("something to read", connection, POLLIN, -1);
  poll_all("all", connection, file);
  select_all("select", connection, file, 10000000);
  say_unread("what has sent", connection);
  say("read", read(connection, bytes, sizeof bytes));
  poll_one("all is read", connection, POLLIN, 0);
  int on = 1;
  say("FIONBIO", ioctl(connection, FIONBIO, &on));
  say("read", read(connection, bytes, sizeof bytes));
  send(connection, "end", 3, 0);
  poll_one("the end", connection, POLLIN, -1);
  say("read", read(connection, bytes, sizeof bytes));
  poll_all("all at the end", connection, file);
  close(connection);
  close(file);
}

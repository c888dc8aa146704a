// The echo server on poll(2): what epoll(7) is there to spare. It makes the calls of `echo lt`, but
// the kernel looks at every connection in every wait, and so does this program.
//
//   echo-poll [PORT]
#include "common.h"

#include <poll.h>

#define BUFFER_BYTES (64 * 1024)

static uint8_t buffer[BUFFER_BYTES];
static struct pollfd *polled;
static nfds_t count;
static nfds_t room;

static void add(int fd) {
  if (count == room) {
    room = room ? room * 2 : 64;
    polled = realloc(polled, room * sizeof *polled);
    if (!polled) die("realloc");
  }
  polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
    if (fd < 0) die("accept4");
    set_nodelay(fd);
    add(fd);
  }
}

// False when the connection is over. The few bytes of a request always fit: no answer is kept.
static int echo_once(int fd) {
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  return n > 0 && send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n;
}

int main(int argc, char **argv) {
  raise_nofile();
  int listener = listen_loopback((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
  add(listener);
  for (;;) {
    int left = poll(polled, count, -1);
    if (left < 0 && errno != EINTR) die("poll");
    // Backwards: the last one takes the place of one that is over, and has had its turn.
    for (nfds_t i = count - 1; left > 0 && i > 0; i--) {
      if (!polled[i].revents) continue;
      left--;
      if (echo_once(polled[i].fd)) continue;
      close(polled[i].fd);
      polled[i] = polled[--count];
    }
    if (left > 0) accept_all(listener);
  }
}

// The yardstick of the echo workloads: what a good C programmer writes with epoll(7).
//
//   echo lt|et [PORT]
//
// Level-triggered: one recv(2) and one send(2) for each event. Edge-triggered: recv(2) until a
// short read. A client that does not read its answers is not read either until it does.
#include "connection.h"
#include "threads.h"

#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024
#define EDGE_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static bool edge;
static PER_THREAD uint8_t buffer[BUFFER_BYTES];

enum read { READ_OVER, READ_EMPTY, READ_SHORT, READ_FULL };

// One recv and, where it brought something, one send.
static enum read echo_once(struct connection *connection) {
  ssize_t n = recv(connection->fd, buffer, sizeof buffer, 0);
  if (n == 0) return READ_OVER;
  if (n < 0) return errno == EAGAIN || errno == EINTR ? READ_EMPTY : READ_OVER;
  if (!send_or_keep(connection, buffer, (size_t)n)) return READ_OVER;
  return n == (ssize_t)sizeof buffer ? READ_FULL : READ_SHORT;
}

// False when the connection is over; so is on_edge.
static bool on_level(int epoll, struct connection *connection) {
  if (connection->out) {
    if (!flush_kept(connection)) return false;
  } else if (echo_once(connection) == READ_OVER) {
    return false;
  }
  uint32_t wanted = connection->out ? EPOLLOUT : EPOLLIN;
  if (wanted != connection->events) watch(epoll, connection, EPOLL_CTL_MOD, wanted);
  return true;
}

// A short read empties the socket, so the next bytes are a new edge. Not so when the peer has
// already closed: its end came with the same edge, and only a further recv finds it.
static bool on_edge(struct connection *connection, uint32_t events) {
  enum read enough = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR) ? READ_EMPTY : READ_SHORT;
  if (connection->out && !flush_kept(connection)) return false;
  enum read last = READ_FULL;
  while (!connection->out && last > enough) {
    last = echo_once(connection);
    if (last == READ_OVER) return false;
  }
  return true;
}

static void serve_connections(int listener) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  struct epoll_event watched = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &watched) < 0) die("epoll_ctl");
  static PER_THREAD struct epoll_event ready[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *connection = ready[i].data.ptr;
      if (!connection) {
        accept_all(epoll, listener, edge ? EDGE_EVENTS : EPOLLIN, 0);
      } else if (!(edge ? on_edge(connection, ready[i].events) : on_level(epoll, connection))) {
        connection_free(connection);
      }
    }
  }
}

int main(int argc, char **argv) {
  edge = argc > 1 && strcmp(argv[1], "et") == 0;
  if (argc < 2 || (!edge && strcmp(argv[1], "lt") != 0)) {
    fprintf(stderr, "usage: echo lt|et [PORT]\n");
    return 2;
  }
  raise_nofile();
  serve_all(serve_connections, (uint16_t)(argc > 2 ? atoi(argv[2]) : 0));
}

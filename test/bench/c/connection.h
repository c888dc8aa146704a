// One accepted connection of a C server and what it still has to send.
#pragma once
#include "common.h"

#include <stdbool.h>
#include <sys/epoll.h>

struct connection {
  int fd;
  uint32_t events;      // what epoll watches now
  uint8_t *out;         // bytes the socket did not take yet; NULL while there are none
  size_t out_at;        // the first byte of `out` not yet sent
  size_t out_bytes;     // where `out` ends
  void *protocol;       // state of the protocol above; freed with free(3)
};

static inline void watch(int epoll, struct connection *connection, int op, uint32_t events) {
  connection->events = events;
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(epoll, op, connection->fd, &event) < 0) die("epoll_ctl");
}

// Accepts until the queue is empty; every new connection is watched for `events`.
static inline void accept_all(int epoll, int listener, uint32_t events, size_t protocol_bytes) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
    if (fd < 0) die("accept4");
    set_nodelay(fd);
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) die("calloc");
    if (protocol_bytes && !(connection->protocol = calloc(1, protocol_bytes))) die("calloc");
    connection->fd = fd;
    watch(epoll, connection, EPOLL_CTL_ADD, events);
  }
}

// Closing the last descriptor also takes it off the interest list: no epoll_ctl is needed.
static inline void connection_free(struct connection *connection) {
  close(connection->fd);
  free(connection->out);
  free(connection->protocol);
  free(connection);
}

// Sends what it can and keeps the rest in `out`. False when the connection is broken.
static inline bool send_or_keep(struct connection *connection, const uint8_t *bytes, size_t n) {
  ssize_t sent = send(connection->fd, bytes, n, MSG_NOSIGNAL);
  if (sent == (ssize_t)n) return true;
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  size_t done = sent < 0 ? 0 : (size_t)sent;
  connection->out = malloc(n - done);
  if (!connection->out) die("malloc");
  memcpy(connection->out, bytes + done, n - done);
  connection->out_at = 0;
  connection->out_bytes = n - done;
  return true;
}

// Sends more of `out`, and frees it once it is empty. False when the connection is broken.
static inline bool flush_kept(struct connection *connection) {
  size_t n = connection->out_bytes - connection->out_at;
  ssize_t sent = send(connection->fd, connection->out + connection->out_at, n, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  connection->out_at += (size_t)sent;
  if (connection->out_at < connection->out_bytes) return true;
  free(connection->out);
  connection->out = NULL;
  return true;
}

// The yardstick of the proxy workload: what a good C programmer writes with epoll(7).
//
//   proxy UPSTREAM_PORT [PORT]
//
// Every accepted connection gets one of its own to 127.0.0.1:UPSTREAM_PORT. Each event moves what
// one recv(2) brings with one send(2). A side whose bytes the other does not take is not read until
// it does; a side that ends its stream ends the other's, and may still receive; a side that is
// reset resets the other.
#include "common.h"

#include <stdbool.h>
#include <sys/epoll.h>

#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024

// One of the two sockets of a pair. `out` holds what its socket did not take yet.
struct side {
  int fd;
  bool watched;         // on the interest list, for `events`
  uint32_t events;
  bool connecting;
  bool read_over;       // it ended its stream
  bool write_over;      // we ended ours to it
  uint8_t *out;         // NULL while there is nothing
  size_t out_at;
  size_t out_bytes;
  struct side *other;
  struct pair *pair;
};

struct pair {
  struct side client;
  struct side server;
  bool over;            // closed; freed when no event of this round can name it
  struct pair *next_over;
};

static int epoll;
static struct sockaddr_in upstream;
static struct pair *over;
static uint8_t buffer[BUFFER_BYTES];

static void pair_end(struct pair *pair, bool reset) {
  if (pair->over) return;
  struct linger abort = {.l_onoff = 1, .l_linger = 0};
  for (int i = 0; i < 2; i++) {
    struct side *side = i ? &pair->server : &pair->client;
    if (reset) setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close(side->fd);
    free(side->out);
  }
  pair->over = true;
  pair->next_over = over;
  over = pair;
}

static void free_over(void) {
  while (over) {
    struct pair *next = over->next_over;
    free(over);
    over = next;
  }
}

static uint32_t wanted(const struct side *side) {
  if (side->connecting) return EPOLLOUT;
  bool reads = !side->read_over && !side->other->out && !side->other->connecting;
  return (reads ? EPOLLIN : 0u) | (side->out ? EPOLLOUT : 0u);
}

static void watch(struct side *side) {
  uint32_t events = wanted(side);
  if (side->watched ? events == side->events : events == 0) return;
  struct epoll_event event = {.events = events, .data.ptr = side};
  int op = side->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll, op, side->fd, &event) < 0) die("epoll_ctl");
  side->watched = true;
  side->events = events;
}

static void unwatch(struct side *side) {
  if (epoll_ctl(epoll, EPOLL_CTL_DEL, side->fd, NULL) < 0) die("epoll_ctl");
  side->watched = false;
}

// Ends the stream to a side once the other has ended its own and every byte is sent.
static void pass_end(struct side *side) {
  if (side->write_over || side->out || !side->other->read_over) return;
  side->write_over = true;
  shutdown(side->fd, SHUT_WR);
}

// These three are false when the connection is broken.
static bool forward(struct side *side) {
  ssize_t n = recv(side->fd, buffer, sizeof buffer, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) {
    side->read_over = true;
    return true;
  }
  struct side *to = side->other;
  ssize_t sent = send(to->fd, buffer, (size_t)n, MSG_NOSIGNAL);
  if (sent == n) return true;
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
  size_t done = sent < 0 ? 0 : (size_t)sent;
  to->out_at = 0;
  to->out_bytes = (size_t)n - done;
  if (!(to->out = malloc(to->out_bytes))) die("malloc");
  memcpy(to->out, buffer + done, to->out_bytes);
  return true;
}

static bool flush(struct side *side) {
  size_t n = side->out_bytes - side->out_at;
  ssize_t sent = send(side->fd, side->out + side->out_at, n, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  side->out_at += (size_t)sent;
  if (side->out_at < side->out_bytes) return true;
  free(side->out);
  side->out = NULL;
  return true;
}

static bool finish_connect(struct side *side) {
  int error = 0;
  socklen_t bytes = sizeof error;
  if (getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0) die("getsockopt");
  side->connecting = false;
  return error == 0;
}

// EPOLLERR and EPOLLHUP come unasked. A hang-up of a side that is not read now may have bytes
// before it: they wait, and so that epoll does not repeat it meanwhile, the side leaves the list.
static bool on_event(struct side *side, uint32_t events) {
  if (side->connecting) return finish_connect(side);
  if (side->out && (events & EPOLLOUT) && !flush(side)) return false;
  if (wanted(side) & EPOLLIN) return !(events & ~(uint32_t)EPOLLOUT) || forward(side);
  if (events & EPOLLERR) return false;
  if (events & EPOLLHUP) unwatch(side);
  return true;
}

static void handle(struct side *side, uint32_t events) {
  struct pair *pair = side->pair;
  if (pair->over) return;
  if (!on_event(side, events)) {
    pair_end(pair, true);
    return;
  }
  pass_end(side);
  pass_end(side->other);
  if (side->write_over && side->other->write_over) {
    pair_end(pair, false);
    return;
  }
  watch(side);
  watch(side->other);
}

static void open_pair(int fd) {
  struct pair *pair = calloc(1, sizeof *pair);
  if (!pair) die("calloc");
  int to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (to < 0) die("socket");
  set_nodelay(fd);
  set_nodelay(to);
  pair->client = (struct side){.fd = fd, .other = &pair->server, .pair = pair};
  pair->server = (struct side){
      .fd = to, .connecting = true, .other = &pair->client, .pair = pair};
  int result = connect(to, (struct sockaddr *)&upstream, sizeof upstream);
  if (result < 0 && errno != EINPROGRESS) {
    pair_end(pair, true);
    return;
  }
  watch(&pair->server);
  watch(&pair->client);
}

static void accept_pairs(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) return;
    if (fd < 0) die("accept4");
    open_pair(fd);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: proxy UPSTREAM_PORT [PORT]\n");
    return 2;
  }
  raise_nofile();
  upstream = loopback((uint16_t)atoi(argv[1]));
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  int listener = listen_loopback((uint16_t)(argc > 2 ? atoi(argv[2]) : 0));
  struct epoll_event watched = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &watched) < 0) die("epoll_ctl");
  static struct epoll_event ready[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct side *side = ready[i].data.ptr;
      if (side) handle(side, ready[i].events);
      else accept_pairs(listener);
    }
    free_over();
  }
}

// The closed loop: every connection sends a batch, awaits its answers, sends the next.
#include "load.h"

// No batch starts after `deadline_ns` or beyond `requests_left`.
static uint64_t deadline_ns;
static uint64_t requests_left;
static int under_way;

// A connection that failed is closed and stays so; its error makes the driver refuse the run.
static void fail(struct client *client) {
  errors++;
  under_way--;
  close(client->fd);
  client->fd = -1;
}

static void watch_writing(struct client *client, bool writing) {
  uint32_t events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  struct epoll_event event = {.events = events, .data.ptr = client};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event) < 0) die("epoll_ctl");
}

static void send_batch(struct client *client) {
  bool waited = client->sent > 0;
  size_t left = batch_bytes - client->sent;
  ssize_t n = send(client->fd, batch + client->sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN) {
    fail(client);
    return;
  }
  client->sent += n < 0 ? 0 : (size_t)n;
  bool done = client->sent == batch_bytes;
  if (done == waited) watch_writing(client, !done);
}

static void start_batch(struct client *client, uint64_t now) {
  if (now >= deadline_ns || requests_left < (uint64_t)options.depth) return;
  requests_left -= (uint64_t)options.depth;
  under_way++;
  client->sent = 0;
  client->received = 0;
  client->answered = 0;
  client->started_ns = now;
  send_batch(client);
}

static void on_readable(struct client *client) {
  ssize_t n = recv(client->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  int done = n > 0 ? answer_receive(client, buffer, (size_t)n) : -1;
  if (done < 0) {
    fail(client);
    return;
  }
  if (done == 0) return;
  uint64_t now = now_ns();
  for (int i = 0; i < done; i++) histogram_record(now - client->started_ns);
  answers += (uint64_t)done;
  client->answered += done;
  if (client->answered < options.depth) return;
  under_way--;
  start_batch(client, now);
}

void run_closed(uint64_t duration_ns, uint64_t requests) {
  static struct epoll_event ready[EVENTS_MAX];
  histogram_reset();
  answers = 0;
  uint64_t now = now_ns();
  deadline_ns = now + duration_ns;
  requests_left = requests ? requests : UINT64_MAX;
  for (int i = 0; i < options.connections; i++) {
    if (clients[i].fd >= 0) start_batch(&clients[i], now);
  }
  // Among many connections it never sleeps: to wake it is work of the kernel that the server is
  // charged for, and a slower server, which finds it asleep more often, would pay more often. One
  // connection finds it asleep whatever the server does, as a client is that waits for its answer.
  const int timeout_ms = options.connections > 1 ? 0 : STALL_MS;
  uint64_t progress_ns = now;
  while (under_way > 0) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, timeout_ms);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    if (count > 0) progress_ns = now_ns();
    if (count == 0 && now_ns() > progress_ns + STALL_MS * 1000000ull) {
      fprintf(stderr, "no answer for %d ms, %d batches under way\n", STALL_MS, under_way);
      exit(1);
    }
    for (int i = 0; i < count; i++) {
      struct client *client = ready[i].data.ptr;
      if (client->sent < batch_bytes && (ready[i].events & EPOLLOUT)) send_batch(client);
      if (client->fd >= 0 && (ready[i].events & ~(uint32_t)EPOLLOUT)) on_readable(client);
    }
  }
}

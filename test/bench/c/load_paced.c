// The open loop: request number k is due at k / rate, on connection k mod connections, whether or
// not earlier ones have been answered. Latency counts from when a request was due, so a server that
// stalls pays for all that it kept waiting. It never sleeps: a timer's wake-up comes too late, and
// several requests sent at once would spare the server most of its waits.
#include "load.h"

static uint64_t begin_ns;
static uint64_t period_ns;

// A socket that does not take the few bytes of a request has thousands of them unanswered.
static void send_one(struct client *client) {
  ssize_t n = send(client->fd, batch, batch_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n != (ssize_t)batch_bytes) errors++;
}

// When the oldest unanswered request of a connection was due.
static uint64_t due_ns(const struct client *client) {
  uint64_t turn = (uint64_t)client->answered * (uint64_t)options.connections;
  return begin_ns + (turn + (uint64_t)(client - clients)) * period_ns;
}

// The bytes may hold the answers to several requests, the last of them in part.
static void on_readable(struct client *client) {
  ssize_t n = recv(client->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) errors++;
  uint64_t now = now_ns();
  for (ssize_t at = 0; at < n;) {
    size_t left = (size_t)(n - at);
    size_t room = batch_bytes - client->received;
    size_t taken = left < room ? left : room;
    int done = answer_receive(client, buffer + at, taken);
    if (done < 0) {
      errors++;
      return;
    }
    at += (ssize_t)taken;
    if (done == 0) continue;
    histogram_record(now - due_ns(client));
    answers++;
    client->answered++;
    client->received = 0;
  }
}

void run_paced(uint64_t duration_ns) {
  static struct epoll_event ready[EVENTS_MAX];
  histogram_reset();
  answers = 0;
  for (int i = 0; i < options.connections; i++) {
    clients[i].answered = 0;
    clients[i].received = 0;
  }
  period_ns = 1000000000u / options.rate;
  uint64_t total = duration_ns / period_ns;
  uint64_t sent = 0;
  begin_ns = now_ns();
  uint64_t progress_ns = begin_ns;
  while (answers < total && errors == 0) {
    uint64_t now = now_ns();
    for (; sent < total && begin_ns + sent * period_ns <= now; sent++) {
      send_one(&clients[sent % (uint64_t)options.connections]);
    }
    int count = epoll_wait(epoll, ready, EVENTS_MAX, 0);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) on_readable(ready[i].data.ptr);
    if (count > 0) progress_ns = now;
    if (now > progress_ns + STALL_MS * 1000000ull) {
      fprintf(stderr, "no answer for %d ms\n", STALL_MS);
      exit(1);
    }
  }
}

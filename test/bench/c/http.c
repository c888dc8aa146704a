// The yardstick of the HTTP workloads: one recv(2), every whole request in it parsed and answered,
// one send(2). What examples/http does, as a good C programmer writes it with epoll(7).
//
//   http [PORT]
#include "connection.h"
#include "request.h"

#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024
#define REQUEST_BYTES_MIN 16
#define ANSWER_BYTES_MAX 192

// A connection's request so far, and the bytes of it that cannot be taken before more have come.
struct state {
  struct request request;
  bool closing;           // nothing is read any more; closed once `out` is sent
  size_t kept_bytes;
  uint8_t *kept;
};

static uint8_t in[BUFFER_BYTES + HEAD_BYTES_MAX];
// Room for the answers to every request that fits in `in`, so that filling it needs no check.
static uint8_t out[sizeof in / REQUEST_BYTES_MIN * ANSWER_BYTES_MAX];
static size_t out_bytes;

struct answer {
  int status;
  const char *reason;
  const char *body;
};

static const struct answer answers[] = {
    {200, "OK", "Hello from the sandbox\n"},
    {404, "Not Found", "Not Found\n"},
    {405, "Method Not Allowed", "Method Not Allowed\n"},
    {413, "Content Too Large", "Content Too Large\n"},
    {431, "Request Header Fields Too Large", "Request Header Fields Too Large\n"},
    {501, "Not Implemented", "Not Implemented\n"},
    {505, "HTTP Version Not Supported", "HTTP Version Not Supported\n"},
    {400, "Bad Request", "Bad Request\n"},
};

static void append(const char *bytes, size_t n) {
  memcpy(out + out_bytes, bytes, n);
  out_bytes += n;
}

static void append_number(size_t value) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  append(digits + at, sizeof digits - at);
}

#define APPEND_LITERAL(text) append(text, sizeof text - 1)

// The answer is put together anew for each request, as a server with more than one answer must.
static void answer(int status, bool keep_alive) {
  const struct answer *answer = answers;
  while (answer->status != status && answer->status != 400) answer++;
  size_t body_bytes = strlen(answer->body);
  APPEND_LITERAL("HTTP/1.1 ");
  append_number((size_t)answer->status);
  APPEND_LITERAL(" ");
  append(answer->reason, strlen(answer->reason));
  APPEND_LITERAL("\r\nContent-Type: text/plain\r\nContent-Length: ");
  append_number(body_bytes);
  if (!keep_alive) APPEND_LITERAL("\r\nConnection: close");
  APPEND_LITERAL("\r\n\r\n");
  append(answer->body, body_bytes);
}

static int status_of(const struct request *request) {
  if (!request->is_root) return 404;
  return request->is_get ? 200 : 405;
}

// Parses and answers all of `in`; returns how many bytes were taken.
static size_t serve(struct state *state, size_t n) {
  size_t at = 0;
  while (at < n && !state->closing) {
    bool done;
    long taken = request_take(&state->request, in + at, n - at, &done);
    if (taken < 0) {
      answer((int)-taken, false);
      state->closing = true;
      return n;
    }
    at += (size_t)taken;
    if (!done) break;
    answer(status_of(&state->request), state->request.keep_alive);
    state->closing = !state->request.keep_alive;
    state->request = (struct request){0};
  }
  return at;
}

static void keep(struct state *state, const uint8_t *bytes, size_t n) {
  if (n > 0 && !state->kept && !(state->kept = malloc(HEAD_BYTES_MAX))) die("malloc");
  if (n > 0) memcpy(state->kept, bytes, n);
  state->kept_bytes = n;
}

// False when the connection is over.
static bool on_readable(struct connection *connection) {
  struct state *state = connection->protocol;
  size_t kept = state->kept_bytes;
  if (kept > 0) memcpy(in, state->kept, kept);
  ssize_t received = recv(connection->fd, in + kept, BUFFER_BYTES, 0);
  if (received < 0) return errno == EAGAIN || errno == EINTR;
  if (received == 0) return false;
  size_t n = kept + (size_t)received;
  out_bytes = 0;
  size_t taken = serve(state, n);
  keep(state, in + taken, state->closing ? 0 : n - taken);
  return out_bytes == 0 || send_or_keep(connection, out, out_bytes);
}

static bool on_event(int epoll, struct connection *connection) {
  struct state *state = connection->protocol;
  if (!(connection->out ? flush_kept(connection) : on_readable(connection))) return false;
  if (state->closing && !connection->out) {
    shutdown(connection->fd, SHUT_WR);
    return false;
  }
  uint32_t wanted = connection->out ? EPOLLOUT : EPOLLIN;
  if (wanted != connection->events) watch(epoll, connection, EPOLL_CTL_MOD, wanted);
  return true;
}

static void over(struct connection *connection) {
  struct state *state = connection->protocol;
  free(state->kept);
  connection_free(connection);
}

int main(int argc, char **argv) {
  raise_nofile();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  int listener = listen_loopback((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
  struct epoll_event watched = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &watched) < 0) die("epoll_ctl");
  static struct epoll_event ready[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *connection = ready[i].data.ptr;
      if (!connection) {
        accept_all(epoll, listener, EPOLLIN, sizeof(struct state));
      } else if (!on_event(epoll, connection)) {
        over(connection);
      }
    }
  }
}

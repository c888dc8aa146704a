// The yardstick of the HTTP workloads: one recv(2), every whole request in it parsed and answered,
// one send(2). What examples/http does, with the same answers, as a good C programmer writes it
// with epoll(7).
//
//   http [PORT]
#include "connection.h"
#include "request.h"
#include "threads.h"

#define BUFFER_BYTES (64 * 1024)
#define EVENTS_MAX 1024
#define REQUEST_BYTES_MIN 16
#define PAGE_BYTES_MAX 256
#define DATE_BYTES 29
#define TYPE "text/plain; charset=utf-8"

// A connection's request so far, and the bytes of it that cannot be taken before more have come.
struct state {
  struct request request;
  bool closing;           // nothing is read any more; closed once `out` is sent
  size_t kept_bytes;
  uint8_t *kept;
};

// An answer put together once: only its date changes, once a second.
struct page {
  int status;
  const char *reason;
  const char *fields;     // header lines of its own
  const char *body;
  size_t date_at;
  size_t head_bytes;      // without the empty line
  size_t bytes;
  time_t second;          // whose date it bears
  char text[PAGE_BYTES_MAX];
};

static PER_THREAD struct page pages[] = {
    {.status = 200, .reason = "OK", .fields = "", .body = "Hello from inside the sandbox.\n"},
    {.status = 404, .reason = "Not Found", .fields = "", .body = "not found\n"},
    {.status = 405, .reason = "Method Not Allowed", .fields = "Allow: GET, HEAD\r\n",
     .body = "method not allowed\n"},
    {.status = 413, .reason = "Content Too Large", .fields = "",
     .body = "413 Content Too Large\n"},
    {.status = 414, .reason = "URI Too Long", .fields = "", .body = "414 URI Too Long\n"},
    {.status = 417, .reason = "Expectation Failed", .fields = "",
     .body = "417 Expectation Failed\n"},
    {.status = 431, .reason = "Request Header Fields Too Large", .fields = "",
     .body = "431 Request Header Fields Too Large\n"},
    {.status = 501, .reason = "Not Implemented", .fields = "", .body = "501 Not Implemented\n"},
    {.status = 505, .reason = "HTTP Version Not Supported", .fields = "",
     .body = "505 HTTP Version Not Supported\n"},
    {.status = 400, .reason = "Bad Request", .fields = "", .body = "400 Bad Request\n"},
};
#define PAGES (sizeof pages / sizeof *pages)

static PER_THREAD uint8_t in[BUFFER_BYTES + HEAD_BYTES_MAX + PARSER_SLACK_BYTES];
// Room for the answers to every request that fits in `in`, so that filling it needs no check.
static PER_THREAD uint8_t out[sizeof in / REQUEST_BYTES_MIN * PAGE_BYTES_MAX];
static PER_THREAD size_t out_bytes;

static PER_THREAD time_t second;
static PER_THREAD char date[DATE_BYTES + 1];

// Once for each batch of events: the clock is cheap, the text is made only when it changes.
static void refresh_date(void) {
  time_t now = time(NULL);
  if (now == second) return;
  struct tm calendar;
  gmtime_r(&now, &calendar);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &calendar);
  second = now;
}

static void build_pages(void) {
  for (struct page *page = pages; page < pages + PAGES; page++) {
    int at = snprintf(page->text, PAGE_BYTES_MAX, "HTTP/1.1 %d %s\r\nDate: ", page->status,
                      page->reason);
    page->date_at = (size_t)at;
    at += snprintf(page->text + at, PAGE_BYTES_MAX - (size_t)at,
                   "%*s\r\nContent-Type: " TYPE "\r\nContent-Length: %zu\r\n%s", DATE_BYTES, "",
                   strlen(page->body), page->fields);
    page->head_bytes = (size_t)at;
    at += snprintf(page->text + at, PAGE_BYTES_MAX - (size_t)at, "\r\n%s", page->body);
    page->bytes = (size_t)at;
  }
}

static void append(const char *bytes, size_t n) {
  memcpy(out + out_bytes, bytes, n);
  out_bytes += n;
}

static struct page *page_of(int status) {
  struct page *page = pages;
  while (page->status != status && page < pages + PAGES - 1) page++;
  return page;
}

// The page as it is, unless the connection or the body needs a word more or less.
static void answer(const struct request *request, int status, bool keep_alive) {
  struct page *page = page_of(status);
  if (page->second != second) {
    memcpy(page->text + page->date_at, date, DATE_BYTES);
    page->second = second;
  }
  if (keep_alive && request->minor_version != 0 && !request->is_head) {
    append(page->text, page->bytes);
    return;
  }
  append(page->text, page->head_bytes);
  const char *field = keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  if (!keep_alive || request->minor_version == 0) append(field, strlen(field));
  append(page->text + page->head_bytes, request->is_head ? 2 : page->bytes - page->head_bytes);
}

static int status_of(const struct request *request) {
  if (!request->is_root) return 404;
  return request->is_get || request->is_head ? 200 : 405;
}

// Parses and answers all of `in`; returns how many bytes were taken.
static size_t serve(struct state *state, size_t n) {
  struct request *request = &state->request;
  size_t at = 0;
  while (at < n && !state->closing) {
    bool done;
    at += request_take(request, in + at, n - at, &done);
    if (!done && !request->status) break;
    bool keep_alive = !request->status && request_keep_alive(request);
    answer(request, request->status ? request->status : status_of(request), keep_alive);
    state->closing = !keep_alive;
    request->part = PART_HEAD;
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

static void serve_connections(int listener) {
  build_pages();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  struct epoll_event watched = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &watched) < 0) die("epoll_ctl");
  static PER_THREAD struct epoll_event ready[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(epoll, ready, EVENTS_MAX, -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    refresh_date();
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

int main(int argc, char **argv) {
  raise_nofile();
  serve_all(serve_connections, (uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
}

// The protocols of the load generator. Both check every answer: a fast wrong one is an error.
#include "load.h"
#include "pipeline_work.h"

#include <strings.h>

uint8_t *batch;
size_t batch_bytes;
uint8_t *expected;
size_t expected_bytes;

static const char http_request[] =
    "GET / HTTP/1.1\r\n"
    "Host: 127.0.0.1\r\n"
    "User-Agent: sandpoll-bench\r\n"
    "Accept: */*\r\n"
    "\r\n";

// A request of the pipeline whose fields stand in the wrong order, and its answer.
static void line_build(char *line, size_t bytes) {
  static const char head[] = "User=guest&nr=17&Action=";
  memset(line, 'x', bytes);
  memcpy(line, head, sizeof head - 1);
  line[bytes - 1] = '\n';
}

static void lines_build(void) {
  size_t one = options.payload_bytes;
  char *line = malloc(one);
  char *answer = malloc(one + WORK_EXTRA_BYTES);
  if (!line || !answer) die("malloc");
  line_build(line, one);
  for (int i = 0; i < options.depth; i++) memcpy(batch + one * (size_t)i, line, one);
  size_t bytes = work_answer(line, one - 1, 1, answer);
  expected_bytes = bytes * (size_t)options.depth;
  expected = malloc(expected_bytes);
  if (!expected) die("malloc");
  for (int i = 0; i < options.depth; i++) memcpy(expected + bytes * (size_t)i, answer, bytes);
  free(line);
  free(answer);
}

void batch_build(void) {
  size_t one = options.http ? sizeof http_request - 1 : options.payload_bytes;
  batch_bytes = one * (size_t)options.depth;
  batch = malloc(batch_bytes);
  if (!batch) die("malloc");
  if (options.lines) return lines_build();
  for (size_t i = 0; i < batch_bytes; i++) {
    batch[i] = options.http ? (uint8_t)http_request[i % one] : (uint8_t)('!' + i % 89);
  }
  expected = batch;
  expected_bytes = batch_bytes;
}

static int plain_receive(struct client *client, const uint8_t *p, size_t n) {
  if (n > expected_bytes - client->received) return -1;
  if (memcmp(p, expected + client->received, n) != 0) return -1;
  size_t one = expected_bytes / (size_t)options.depth;
  size_t before = client->received / one;
  client->received += n;
  return (int)(client->received / one - before);
}

// The body's length from a complete head, or -1: the answer must be a 200 with Content-Length.
static long body_bytes(const char *head, size_t n) {
  static const char status[] = "HTTP/1.1 200";
  static const char name[] = "\r\ncontent-length:";
  if (n < sizeof status - 1 || memcmp(head, status, sizeof status - 1) != 0) return -1;
  const char *end = head + n - (sizeof name - 1);
  for (const char *p = memchr(head, '\r', n); p && p < end; p = memchr(p + 1, '\r', end - p - 1)) {
    if (strncasecmp(p, name, sizeof name - 1) != 0) continue;
    char *stop;
    long bytes = strtol(p + sizeof name - 1, &stop, 10);
    return *stop == '\r' && bytes >= 0 ? bytes : -1;
  }
  return -1;
}

static bool begin_body(struct client *client, const char *head, size_t n) {
  long bytes = body_bytes(head, n);
  if (bytes < 0) return false;
  client->in_body = true;
  client->body_left = (size_t)bytes;
  client->head_bytes = 0;
  return true;
}

// Takes the head that begins at `p`, or continues the one kept before. Bytes taken, or -1.
static long take_head(struct client *client, const char *p, size_t n) {
  size_t known = client->head_bytes;
  if (known == 0) {
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    if (end) return begin_body(client, p, (size_t)(end - p) + 4) ? end - p + 4 : -1;
  }
  size_t room = HEAD_BYTES_MAX - known;
  size_t taken = n < room ? n : room;
  memcpy(client->head + known, p, taken);
  client->head_bytes += taken;
  const char *end = memmem(client->head, client->head_bytes, "\r\n\r\n", 4);
  if (!end) return taken == room ? -1 : (long)taken;
  size_t head_bytes = (size_t)(end - client->head) + 4;
  return begin_body(client, client->head, head_bytes) ? (long)(head_bytes - known) : -1;
}

static int http_receive(struct client *client, const uint8_t *p, size_t n) {
  int answers = 0;
  for (size_t at = 0; at < n;) {
    if (client->answered + answers == options.depth) return -1;
    if (!client->in_body) {
      long taken = take_head(client, (const char *)p + at, n - at);
      if (taken < 0) return -1;
      at += (size_t)taken;
      if (!client->in_body) break;
    }
    size_t taken = client->body_left < n - at ? client->body_left : n - at;
    at += taken;
    client->body_left -= taken;
    if (client->body_left > 0) break;
    client->in_body = false;
    answers++;
  }
  return answers;
}

int answer_receive(struct client *client, const uint8_t *p, size_t n) {
  return (options.http ? http_receive : plain_receive)(client, p, n);
}

#include "request.h"

#include <string.h>
#include <strings.h>

enum { TOKEN = 1, TARGET = 2, FIELD = 4 };

// What each byte may be part of: a method or field name, a request target, a field value.
static uint8_t kinds[256];

__attribute__((constructor)) static void kinds_build(void) {
  for (int c = 0x21; c < 0x7f; c++) {
    kinds[c] = TARGET | FIELD;
    if (!strchr("\"(),/:;<=>?@[\\]{}", c)) kinds[c] |= TOKEN;
  }
  kinds[' '] = kinds['\t'] = FIELD;
  for (int c = 0x80; c < 0x100; c++) kinds[c] = FIELD;
}

static size_t span(const uint8_t *p, size_t n, uint8_t kind) {
  size_t at = 0;
  while (at < n && (kinds[p[at]] & kind)) at++;
  return at;
}

// "METHOD SP target SP HTTP/1.x"; 0, or minus a status.
static long take_request_line(struct request *request, const uint8_t *p, size_t n) {
  size_t method = span(p, n, TOKEN);
  if (method == 0 || method == n || p[method] != ' ') return -400;
  const uint8_t *target = p + method + 1;
  size_t rest = n - method - 1;
  size_t target_bytes = span(target, rest, TARGET);
  if (target_bytes == 0 || target_bytes == rest || target[target_bytes] != ' ') return -400;
  const uint8_t *version = target + target_bytes + 1;
  if (rest - target_bytes - 1 != 8 || memcmp(version, "HTTP/", 5) != 0) return -400;
  if (version[6] != '.' || version[5] < '0' || version[5] > '9') return -400;
  if (version[7] < '0' || version[7] > '9') return -400;
  if (version[5] != '1') return -505;
  request->is_get = method == 3 && memcmp(p, "GET", 3) == 0;
  request->is_root = target_bytes == 1 && target[0] == '/';
  request->is_1_0 = version[7] == '0';
  request->keep_alive = !request->is_1_0;
  return 0;
}

static bool is(const uint8_t *p, size_t n, const char *lower) {
  return strlen(lower) == n && strncasecmp((const char *)p, lower, n) == 0;
}

static long take_length(struct request *request, const uint8_t *p, size_t n) {
  uint64_t length = 0;
  if (n == 0 || n > 15) return -400;
  for (size_t i = 0; i < n; i++) {
    if (p[i] < '0' || p[i] > '9') return -400;
    length = length * 10 + (uint64_t)(p[i] - '0');
  }
  if (request->has_length && request->length != length) return -400;
  request->has_length = true;
  request->length = length;
  return length > BODY_BYTES_MAX ? -413 : 0;
}

static void take_connection(struct request *request, const uint8_t *p, size_t n) {
  for (size_t at = 0; at < n;) {
    size_t token = span(p + at, n - at, TOKEN);
    if (is(p + at, token, "close")) request->keep_alive = false;
    if (is(p + at, token, "keep-alive")) request->keep_alive = true;
    at += token;
    while (at < n && !(kinds[p[at]] & TOKEN)) at++;
  }
}

// The fields that change how a request is read; the length of the name rules most others out.
static long take_known(struct request *request, const uint8_t *name, size_t name_bytes,
                       const uint8_t *value, size_t n) {
  switch (name_bytes) {
    case 4:
      if (!is(name, 4, "host")) return 0;
      if (request->has_host) return -400;
      request->has_host = true;
      return 0;
    case 10:
      if (is(name, 10, "connection")) take_connection(request, value, n);
      return 0;
    case 14:
      return is(name, 14, "content-length") ? take_length(request, value, n) : 0;
    case 17:
      if (!is(name, 17, "transfer-encoding")) return 0;
      if (request->chunked || !is(value, n, "chunked")) return -501;
      request->chunked = true;
      return 0;
    default:
      return 0;
  }
}

// "Name: value"; 0, or minus a status. A line that begins with a space is the old folding: refused.
static long take_field(struct request *request, const uint8_t *p, size_t n) {
  size_t name = span(p, n, TOKEN);
  if (name == 0 || name == n || p[name] != ':') return -400;
  const uint8_t *value = p + name + 1;
  size_t bytes = n - name - 1;
  if (span(value, bytes, FIELD) != bytes) return -400;
  while (bytes > 0 && (*value == ' ' || *value == '\t')) value++, bytes--;
  while (bytes > 0 && (value[bytes - 1] == ' ' || value[bytes - 1] == '\t')) bytes--;
  return take_known(request, p, name, value, bytes);
}

// The length of the line at `p` without its CRLF; -1: not there yet; -2: a CR or LF on its own.
static long line_bytes(const uint8_t *p, size_t n) {
  const uint8_t *end = memchr(p, '\n', n);
  if (!end) return -1;
  return end > p && end[-1] == '\r' ? end - p - 1 : -2;
}

// Reads a head from its first byte each time: almost every head comes in one piece.
static long take_head(struct request *request, const uint8_t *p, size_t n) {
  size_t limit = n < HEAD_BYTES_MAX ? n : HEAD_BYTES_MAX;
  *request = (struct request){0};
  for (size_t at = 0;;) {
    long line = line_bytes(p + at, limit - at);
    if (line == -1) return limit == HEAD_BYTES_MAX ? -431 : 0;
    if (line == -2) return -400;
    if (line == 0 && at > 0) {
      bool framed_twice = request->chunked && request->has_length;
      if ((!request->has_host && !request->is_1_0) || framed_twice) return -400;
      request->left = request->length;
      request->part = request->chunked ? PART_CHUNK_SIZE : PART_BODY;
      return (long)at + 2;
    }
    long status = at == 0 ? take_request_line(request, p, (size_t)line)
                          : take_field(request, p + at, (size_t)line);
    if (status < 0) return status;
    at += (size_t)line + 2;
  }
}

static int hex(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  uint8_t lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// "SIZE[;extension]": extensions are allowed and ignored.
static long take_chunk_size(struct request *request, const uint8_t *p, size_t n) {
  long line = line_bytes(p, n);
  if (line == -2) return -400;
  if (line == -1) return n > CHUNK_LINE_BYTES_MAX ? -400 : 0;
  uint64_t size = 0;
  long at = 0;
  for (; at < line && at < 8 && hex(p[at]) >= 0; at++) size = size * 16 + (uint64_t)hex(p[at]);
  if (at == 0 || (at < line && p[at] != ';')) return -400;
  if (request->body_bytes + size > BODY_BYTES_MAX) return -413;
  request->body_bytes += size;
  request->left = size;
  request->part = size == 0 ? PART_TRAILERS : PART_CHUNK;
  return line + 2;
}

static long take_trailer(struct request *request, const uint8_t *p, size_t n, bool *done) {
  long line = line_bytes(p, n);
  if (line == -2) return -400;
  if (line == -1) return n > HEAD_BYTES_MAX ? -431 : 0;
  if (line == 0) *done = true;
  struct request ignored = *request;
  long status = line == 0 ? 0 : take_field(&ignored, p, (size_t)line);
  return status < 0 ? status : line + 2;
}

// The bytes of a body are counted and dropped: no answer of this server depends on them.
static size_t skip(struct request *request, size_t n) {
  size_t taken = request->left < n ? (size_t)request->left : n;
  request->left -= taken;
  return taken;
}

long request_take(struct request *request, const uint8_t *p, size_t n, bool *done) {
  size_t at = 0;
  long taken = 0;
  *done = false;
  do {
    size_t rest = n - at;
    switch (request->part) {
      case PART_HEAD: taken = take_head(request, p + at, rest); break;
      case PART_CHUNK_SIZE: taken = take_chunk_size(request, p + at, rest); break;
      case PART_TRAILERS: taken = take_trailer(request, p + at, rest, done); break;
      case PART_CHUNK_END:
        if (rest >= 2 && memcmp(p + at, "\r\n", 2) != 0) return -400;
        taken = rest >= 2 ? 2 : 0;
        if (taken) request->part = PART_CHUNK_SIZE;
        break;
      case PART_CHUNK:
        taken = (long)skip(request, rest);
        if (request->left == 0) request->part = PART_CHUNK_END;
        break;
      case PART_BODY: taken = (long)skip(request, rest); break;
    }
    if (taken < 0) return taken;
    at += (size_t)taken;
    if (request->part == PART_BODY && request->left == 0) *done = true;
  } while (!*done && taken > 0);
  return (long)at;
}

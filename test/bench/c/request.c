#include "request.h"

#include <string.h>
#include <strings.h>

#define HEADERS_MAX 100
#define LENGTH_DIGITS_MAX 15
#define CHUNK_DIGITS_MAX 7

#define ONES 0x0101010101010101u
#define TOPS 0x8080808080808080u

// The characters of a token (RFC 9110 §5.6.2), one bit each: below 64, and from 64 to 127.
static const uint64_t token_bits[2] = {0x03ff6cfa00000000u, 0x57ffffffc7fffffeu};

static inline bool is_token(uint8_t c) {
  return c < 128 && ((token_bits[c >> 6] >> (c & 63)) & 1);
}

static inline bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

// Notes what is wrong; NULL is the place to go on from, nowhere.
static const uint8_t *refuse(struct request *request, int status) {
  request->status = status;
  return NULL;
}

static bool equals(const uint8_t *p, size_t n, const char *lower) {
  return strlen(lower) == n && strncasecmp((const char *)p, lower, n) == 0;
}

// The end of a field's value: the first control character that is no tab, eight bytes at a time.
static const uint8_t *skip_value(const uint8_t *p, const uint8_t *end) {
  while (p < end) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    uint64_t below_space = (word - ONES * 0x20) & ~word;
    uint64_t from_delete = word ^ (ONES * 0x7f);
    uint64_t found = (below_space | ((from_delete - ONES) & ~from_delete)) & TOPS;
    if (!found) {
      p += sizeof word;
      continue;
    }
    p += __builtin_ctzll(found) >> 3;
    if (p < end && *p != '\t') return p;
    p++;
  }
  return end;
}

// "/path", "*", or "http://host/path".
static bool set_target(struct request *request, const uint8_t *p, const uint8_t *end) {
  const uint8_t *path = p;
  if (*p != '/' && !(*p == '*' && end - p == 1)) {
    if (end - p < 8 || !equals(p, 7, "http://")) return false;
    path = memchr(p + 7, '/', (size_t)(end - p) - 7);
    if (!path) path = end;
    if (path == p + 7) return false;
  }
  request->is_root = path < end && *path == '/' && (end - path == 1 || path[1] == '?');
  return true;
}

// "HTTP/1.x" and the line's end. What is shorter and not yet wrong needs more bytes.
static const uint8_t *take_version(struct request *request, const uint8_t *p, const uint8_t *end) {
  static const char pattern[] = "HTTP/0.0\r\n";
  size_t n = end - p < 10 ? (size_t)(end - p) : 10;
  for (size_t i = 0; i < n; i++) {
    bool digit = p[i] >= '0' && p[i] <= '9';
    if (pattern[i] == '0' ? !digit : p[i] != (uint8_t)pattern[i]) return refuse(request, 400);
  }
  if (n < 10) return NULL;
  if (p[5] != '1') return refuse(request, 505);
  request->minor_version = p[7] == '0' ? 0 : 1;
  return p + 10;
}

// "METHOD target HTTP/1.x"; where the next line begins, or NULL.
static const uint8_t *take_line(struct request *request, const uint8_t *p, const uint8_t *end) {
  const uint8_t *method = p;
  while (p < end && is_token(*p)) p++;
  if (p == end) return NULL;
  if (*p != ' ' || p == method) return refuse(request, 400);
  request->is_get = p - method == 3 && memcmp(method, "GET", 3) == 0;
  request->is_head = p - method == 4 && memcmp(method, "HEAD", 4) == 0;
  const uint8_t *target = ++p;
  while (p < end && *p > ' ' && *p < 0x7f) p++;
  if (p == end) return NULL;
  if (*p != ' ' || p == target || !set_target(request, target, p)) return refuse(request, 400);
  return take_version(request, p + 1, end);
}

// Digits only. Even the same length twice is refused.
static int take_length(struct request *request, const uint8_t *p, size_t n) {
  uint64_t length = 0;
  if (n == 0 || request->has_length) return 400;
  for (size_t i = 0; i < n; i++) {
    if (p[i] < '0' || p[i] > '9') return 400;
    length = length * 10 + (uint64_t)(p[i] - '0');
  }
  if (n > LENGTH_DIGITS_MAX || length > BODY_BYTES_MAX) return 413;
  request->has_length = true;
  request->length = length;
  return 0;
}

// Looks for `close` and `keep-alive` in a list.
static void take_connection(struct request *request, const uint8_t *p, const uint8_t *end) {
  while (p < end) {
    const uint8_t *comma = p;
    while (comma < end && *comma != ',') comma++;
    const uint8_t *last = comma;
    while (p < last && is_blank(*p)) p++;
    while (last > p && is_blank(last[-1])) last--;
    if (equals(p, (size_t)(last - p), "close")) request->says_close = true;
    if (equals(p, (size_t)(last - p), "keep-alive")) request->says_keep_alive = true;
    p = comma + 1;
  }
}

// The fields that a server must understand, told apart by the length of their names first.
// 1 for a Host, 0 for any other, or a status. (An awaited "100 Continue" is not sent: no client of
// the benchmark has a body.)
static int take_field(struct request *request, const uint8_t *name, size_t name_bytes,
                      const uint8_t *value, const uint8_t *end) {
  while (end > value && is_blank(end[-1])) end--;
  size_t n = (size_t)(end - value);
  switch (name_bytes) {
    case 4:
      return equals(name, 4, "host");
    case 6:
      return equals(name, 6, "expect") && !equals(value, n, "100-continue") ? 417 : 0;
    case 10:
      if (equals(name, 10, "connection")) take_connection(request, value, end);
      return 0;
    case 14:
      return equals(name, 14, "content-length") ? take_length(request, value, n) : 0;
    case 17:
      if (!equals(name, 17, "transfer-encoding")) return 0;
      if (request->chunked) return 400;
      if (!equals(value, n, "chunked")) return 501;
      request->chunked = true;
      return 0;
    default:
      return 0;
  }
}

// Where the request ends must be clear, and HTTP/1.1 wants one Host.
static bool framing_valid(const struct request *request, int hosts) {
  if (request->minor_version == 0) return !request->chunked && hosts < 2;
  return hosts == 1 && !(request->chunked && request->has_length);
}

// The field lines and the empty line; where what follows begins, or NULL.
static const uint8_t *take_fields(struct request *request, const uint8_t *p, const uint8_t *end) {
  int hosts = 0;
  for (int count = 0; count <= HEADERS_MAX; count++) {
    if (p == end) return NULL;
    if (*p == '\r') {
      if (end - p < 2) return NULL;
      if (p[1] != '\n' || !framing_valid(request, hosts)) return refuse(request, 400);
      return p + 2;
    }
    const uint8_t *name = p;
    while (p < end && is_token(*p)) p++;
    if (p == end) return NULL;
    // Not a colon: a space before it, a folded line, or nonsense.
    if (*p != ':' || p == name) return refuse(request, 400);
    size_t name_bytes = (size_t)(p - name);
    p++;
    while (p < end && is_blank(*p)) p++;
    const uint8_t *value = p;
    p = skip_value(p, end);
    if (p < end && *p != '\r') return refuse(request, 400);
    if (end - p < 2) return NULL;
    if (p[1] != '\n') return refuse(request, 400);
    int status = take_field(request, name, name_bytes, value, p);
    if (status > 1) return refuse(request, status);
    hosts += status;
    p += 2;
  }
  return refuse(request, 431);
}

// A head is read from its first byte each time: almost every one comes in one piece.
static size_t take_head(struct request *request, const uint8_t *p, size_t n) {
  *request = (struct request){0};
  const uint8_t *end = p + (n < HEAD_BYTES_MAX ? n : HEAD_BYTES_MAX);
  const uint8_t *next = take_line(request, p, end);
  if (next) next = take_fields(request, next, end);
  if (!next) {
    bool too_long = n >= HEAD_BYTES_MAX && !request->status;
    if (too_long) request->status = memchr(p, '\n', HEAD_BYTES_MAX) ? 431 : 414;
    return 0;
  }
  request->left = request->length;
  request->part = request->chunked ? PART_CHUNK_SIZE : PART_BODY;
  return (size_t)(next - p);
}

static int hex(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  uint8_t lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The bytes of a whole line with its CRLF; 0 if it is not whole, or longer than it may be.
static size_t line_bytes(struct request *request, const uint8_t *p, size_t n, size_t limit,
                         int status) {
  const uint8_t *end = memchr(p, '\n', n < limit ? n : limit);
  if (end && end > p && end[-1] == '\r') return (size_t)(end - p) + 1;
  if (end) request->status = 400;
  if (!end && n >= limit) request->status = status;
  return 0;
}

// "SIZE[;extension]": extensions are allowed and ignored.
static size_t take_chunk_size(struct request *request, const uint8_t *p, size_t n) {
  size_t line = line_bytes(request, p, n, CHUNK_LINE_BYTES_MAX, 400);
  if (line == 0) return 0;
  uint64_t size = 0;
  size_t at = 0;
  for (; at <= CHUNK_DIGITS_MAX && hex(p[at]) >= 0; at++) size = size * 16 + (uint64_t)hex(p[at]);
  request->body_bytes += size;
  if (at == 0 || (p[at] != '\r' && p[at] != ';')) request->status = 400;
  if (at > CHUNK_DIGITS_MAX || request->body_bytes > BODY_BYTES_MAX) request->status = 413;
  request->left = size;
  request->part = size == 0 ? PART_TRAILERS : PART_CHUNK;
  return line;
}

static size_t take_chunk_end(struct request *request, const uint8_t *p, size_t n) {
  if (n < 2) return 0;
  if (memcmp(p, "\r\n", 2) != 0) request->status = 400;
  request->part = PART_CHUNK_SIZE;
  return 2;
}

// The bytes of a body are counted and dropped: no answer of this server depends on them.
static size_t take_body(struct request *request, size_t n, enum part next) {
  size_t taken = request->left < n ? (size_t)request->left : n;
  request->left -= taken;
  if (request->left == 0) request->part = next;
  return taken;
}

static size_t take_part(struct request *request, const uint8_t *p, size_t n, bool *done) {
  size_t taken = 0;
  switch (request->part) {
    case PART_HEAD:
      taken = take_head(request, p, n);
      *done = request->part == PART_BODY && request->left == 0;
      return taken;
    case PART_BODY:
      taken = take_body(request, n, PART_BODY);
      *done = request->left == 0;
      return taken;
    case PART_CHUNK_SIZE:
      return take_chunk_size(request, p, n);
    case PART_CHUNK:
      return take_body(request, n, PART_CHUNK_END);
    case PART_CHUNK_END:
      return take_chunk_end(request, p, n);
    case PART_TRAILERS:
      taken = line_bytes(request, p, n, HEAD_BYTES_MAX, 431);
      *done = taken == 2;
      return taken;
  }
  return 0;
}

size_t request_take(struct request *request, const uint8_t *p, size_t n, bool *done) {
  size_t at = 0;
  *done = false;
  while (at < n && !*done) {
    size_t taken = take_part(request, p + at, n - at, done);
    if (taken == 0 || request->status) break;
    at += taken;
  }
  return at;
}

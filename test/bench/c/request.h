// An incremental HTTP/1.1 request parser (RFC 9112), as strict as a server on the open net must be
// and as guest/http is: the two read the same grammar in the same way, one byte after the other.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_BYTES_MAX 8192
#define BODY_BYTES_MAX (1024 * 1024)
#define CHUNK_LINE_BYTES_MAX 256
// How far beyond the given bytes the parser may read, without regard to what is there.
#define PARSER_SLACK_BYTES 8

enum part { PART_HEAD, PART_BODY, PART_CHUNK_SIZE, PART_CHUNK, PART_CHUNK_END, PART_TRAILERS };

// One request on its way in; zeroed before the next one.
struct request {
  enum part part;
  int status;                // what is wrong: the HTTP status to answer; 0 if nothing is
  // What the server asks of the first line, answered at once: its bytes are gone before a body is.
  bool is_get;
  bool is_head;
  bool is_root;              // the path is "/", whatever the query
  int minor_version;
  bool says_close;
  bool says_keep_alive;
  bool chunked;
  bool has_length;
  uint64_t length;           // Content-Length
  uint64_t left;             // bytes of the body or the chunk still to come
  uint64_t body_bytes;       // bytes of the body so far
};

// Takes bytes of one request and says how many it took: fewer than `n` if it needs more, if the
// request is whole (`*done`), or if it is bad (`request->status`).
size_t request_take(struct request *request, const uint8_t *p, size_t n, bool *done);

static inline bool request_keep_alive(const struct request *request) {
  return !request->says_close && (request->minor_version != 0 || request->says_keep_alive);
}

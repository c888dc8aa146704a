// An incremental HTTP/1.1 request parser (RFC 9112), as strict as a server on the open net must be.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_BYTES_MAX 8192
#define BODY_BYTES_MAX (1024 * 1024)
#define CHUNK_LINE_BYTES_MAX 256

enum part { PART_HEAD, PART_BODY, PART_CHUNK_SIZE, PART_CHUNK, PART_CHUNK_END, PART_TRAILERS };

// One request on its way in; zeroed before the next one.
struct request {
  enum part part;
  bool is_get;
  bool is_root;           // the target is exactly "/"
  bool is_1_0;
  bool keep_alive;
  bool chunked;
  bool has_host;
  bool has_length;
  uint64_t length;        // Content-Length
  uint64_t left;          // bytes of the body or the chunk still to come
  uint64_t body_bytes;    // bytes of the body so far
};

// Takes bytes of one request: how many it took, 0 if it needs more, or minus the HTTP status that
// must answer a bad one. `*done` is set when the request, body included, has come whole.
long request_take(struct request *request, const uint8_t *p, size_t n, bool *done);

// The work on one request, as examples/tutorial-pipeline has it: fields in order, and SHA-256.
#include "pipeline_work.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 128
#define BLOCK_BYTES 64
#define DIGEST_BYTES 32

struct field {
  const char *at;
  size_t bytes;
  size_t name_bytes;
};

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void add_block(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++) {
    memcpy(&w[i], block + 4 * i, 4);
    w[i] = be32toh(w[i]);
  }
  for (int i = 16; i < 64; i++) {
    uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    uint32_t s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    uint32_t t1 = h + s1 + (g ^ (e & (f ^ g))) + round_constants[i] + w[i];
    uint32_t s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    uint32_t t2 = s0 + ((a & b) | (c & (a | b)));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  uint32_t added[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] += added[i];
}

static void sha256(const void *data, size_t n, uint8_t digest[DIGEST_BYTES]) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const uint8_t *p = data;
  size_t rest = n % BLOCK_BYTES;
  for (; p < (const uint8_t *)data + (n - rest); p += BLOCK_BYTES) add_block(state, p);
  uint8_t last[2 * BLOCK_BYTES] = {0};
  memcpy(last, p, rest);
  last[rest] = 0x80;
  size_t last_bytes = rest < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  uint64_t bits = htobe64((uint64_t)n * 8);
  memcpy(last + last_bytes - 8, &bits, 8);
  for (size_t at = 0; at < last_bytes; at += BLOCK_BYTES) add_block(state, last + at);
  for (int i = 0; i < 8; i++) {
    uint32_t word = htobe32(state[i]);
    memcpy(digest + 4 * i, &word, 4);
  }
}

// The count of fields, or minus the number of the first that is wrong, from 1.
static int parse(char *line, size_t n, struct field fields[FIELDS_MAX]) {
  char *end = line + n;
  int count = 0;
  for (char *at = line; count == 0 || at <= end; at++) {
    if (count == FIELDS_MAX) return -1 - count;
    char *start = at;
    for (; at < end && *at != '&' && *at != '='; at++) {
      if (*at >= 'A' && *at <= 'Z') *at |= 0x20;
    }
    size_t name_bytes = (size_t)(at - start);
    if (name_bytes == 0) return -1 - count;
    while (at < end && *at != '&') at++;
    fields[count++] = (struct field){start, (size_t)(at - start), name_bytes};
  }
  return count;
}

static bool is_before(const struct field *a, const struct field *b) {
  size_t common = a->name_bytes < b->name_bytes ? a->name_bytes : b->name_bytes;
  int order = memcmp(a->at, b->at, common);
  return order == 0 ? a->name_bytes < b->name_bytes : order < 0;
}

static void sort(struct field *fields, int count) {
  for (int i = 1; i < count; i++) {
    for (int k = i; k > 0 && is_before(&fields[k], &fields[k - 1]); k--) {
      struct field kept = fields[k];
      fields[k] = fields[k - 1];
      fields[k - 1] = kept;
    }
  }
}

size_t work_answer(char *line, size_t n, int rounds, char *out) {
  struct field fields[FIELDS_MAX];
  int count = parse(line, n, fields);
  if (count < 0) {
    const char *why = count == -1 - FIELDS_MAX ? "is too much" : "has no name";
    return (size_t)sprintf(out, "error: field %d %s\n", -count, why);
  }
  sort(fields, count);
  char *text = out + 2 * DIGEST_BYTES + 1;
  char *at = text;
  for (int i = 0; i < count; i++) {
    if (i > 0) *at++ = '&';
    memcpy(at, fields[i].at, fields[i].bytes);
    at += fields[i].bytes;
  }
  uint8_t digest[DIGEST_BYTES];
  sha256(text, n, digest);
  for (int round = 1; round < rounds; round++) sha256(digest, DIGEST_BYTES, digest);
  static const char hex[] = "0123456789abcdef";
  for (int i = 0; i < DIGEST_BYTES; i++) {
    out[2 * i] = hex[digest[i] >> 4];
    out[2 * i + 1] = hex[digest[i] & 15];
  }
  out[2 * DIGEST_BYTES] = ' ';
  *at++ = '\n';
  return (size_t)(at - out);
}

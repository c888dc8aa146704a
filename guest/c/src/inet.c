// inet(3). wasi-libc's inet_pton and inet_ntop have other numbers for the families.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "imports.h"

#define IN6_WORDS 8

// The number at `*text`, in `base`, of at most `digits` digits; -1 if there is none. Moves `*text`.
static int take_number(const char **text, int base, int digits) {
  int value = 0;
  int taken = 0;
  for (; taken < digits; taken++) {
    int c = (unsigned char)**text;
    int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' ? (c | 0x20) - 'a' + 10 : base;
    if (digit >= base) break;
    value = value * base + digit;
    (*text)++;
  }
  return taken == 0 ? -1 : value;
}

// Four decimal numbers without leading zeros; 1, or 0 if `text` is something else.
static int parse_in(const char *text, uint8_t *out) {
  for (int i = 0; i < 4; i++) {
    if (text[0] == '0' && text[1] >= '0' && text[1] <= '9') return 0;
    int value = take_number(&text, 10, 3);
    if (value < 0 || value > 255) return 0;
    out[i] = (uint8_t)value;
    if (*text++ != (i < 3 ? '.' : '\0')) return 0;
  }
  return 1;
}

// Up to eight groups; `*gap` is the group that `::` stands before, -1 without one. Returns how many
// groups there are, -1 if `text` is no address.
static int parse_groups(const char *text, uint8_t *out, int *gap) {
  int groups = 0;
  if (text[0] == ':' && text[1] != ':') return -1;
  if (text[0] == ':') text++;
  while (*text) {
    if (*text == ':') {
      if (*gap >= 0) return -1;
      *gap = groups;
      if (*++text == '\0') break;
    }
    if (groups == IN6_WORDS) return -1;
    const char *start = text;
    int value = take_number(&text, 16, 4);
    if (value < 0) return -1;
    if (*text == '.') {
      if (groups > IN6_WORDS - 2 || !parse_in(start, out + groups * 2)) return -1;
      return groups + 2;
    }
    out[groups * 2] = (uint8_t)(value >> 8);
    out[groups * 2 + 1] = (uint8_t)value;
    groups++;
    if (*text == '\0') break;
    if (*text++ != ':' || *text == '\0') return -1;
  }
  return groups;
}

static int parse_in6(const char *text, uint8_t *out) {
  uint8_t parsed[2 * IN6_WORDS] = {0};
  int gap = -1;
  int groups = parse_groups(text, parsed, &gap);
  if (groups < 0 || (gap < 0 ? groups != IN6_WORDS : groups == IN6_WORDS)) return 0;
  if (gap < 0) gap = groups;
  size_t before = (size_t)gap * 2;
  size_t after = (size_t)(groups - gap) * 2;
  memset(out, 0, sizeof parsed);
  memcpy(out, parsed, before);
  memcpy(out + sizeof parsed - after, parsed + before, after);
  return 1;
}

int inet_pton(int family, const char *restrict text, void *restrict address) {
  uint8_t parsed[sizeof(struct in6_addr)];
  if (family != AF_INET && family != AF_INET6) return status(EAFNOSUPPORT);
  int is_in6 = family == AF_INET6;
  if (!(is_in6 ? parse_in6(text, parsed) : parse_in(text, parsed))) return 0;
  memcpy(address, parsed, is_in6 ? sizeof(struct in6_addr) : sizeof(struct in_addr));
  return 1;
}

static void format_in(const uint8_t *a, char *out) {
  sprintf(out, "%d.%d.%d.%d", a[0], a[1], a[2], a[3]);
}

// The longest run of two or more zero groups, the first of equals: RFC 5952. Its length; 0: none.
static int longest_zeros(const uint8_t *a, int *start) {
  int longest = 0;
  for (int i = 0; i < IN6_WORDS; i++) {
    int n = 0;
    while (i + n < IN6_WORDS && a[(i + n) * 2] == 0 && a[(i + n) * 2 + 1] == 0) n++;
    if (n > 1 && n > longest) {
      longest = n;
      *start = i;
    }
    i += n;
  }
  return longest;
}

static void format_in6(const uint8_t *a, char *out) {
  int start = IN6_WORDS;
  int zeros = longest_zeros(a, &start);
  // As the C library of Linux has it: the IPv4 address in a mapped or compatible one is its own.
  int mapped = zeros == 5 && a[10] == 0xff && a[11] == 0xff;
  int holds_in = start == 0 && (mapped || zeros == 6);
  int groups = holds_in ? IN6_WORDS - 2 : IN6_WORDS;
  for (int i = 0; i < groups; i++) {
    if (i == start) {
      out += sprintf(out, i == 0 ? "::" : ":");
      i += zeros - 1;
      continue;
    }
    const char *end = i == IN6_WORDS - 1 ? "" : ":";
    out += sprintf(out, "%x%s", a[i * 2] << 8 | a[i * 2 + 1], end);
  }
  *out = '\0';
  if (holds_in) format_in(a + 12, out);
}

const char *inet_ntop(int family, const void *restrict address, char *restrict text,
                      socklen_t bytes) {
  char formatted[INET6_ADDRSTRLEN];
  if (family != AF_INET && family != AF_INET6) return status(EAFNOSUPPORT), NULL;
  (family == AF_INET ? format_in : format_in6)(address, formatted);
  if (strlen(formatted) >= bytes) return status(ENOSPC), NULL;
  return strcpy(text, formatted);
}

in_addr_t inet_addr(const char *text) {
  struct in_addr address;
  return inet_aton(text, &address) ? address.s_addr : INADDR_NONE;
}

char *inet_ntoa(struct in_addr address) {
  static char text[INET_ADDRSTRLEN];
  format_in((const uint8_t *)&address, text);
  return text;
}

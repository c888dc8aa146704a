// Names to addresses: the host's `sock_getaddrinfo`.
#pragma once
#include <stdint.h>

#define RESOLVED_MAX 32

struct resolved {
  int family;
  uint8_t address[16];  // 4 of them for AF_INET
};

// The addresses of `name` in `family` (AF_UNSPEC: both), each once: how many, or an EAI_ error.
int resolve(const char *name, int family, struct resolved found[RESOLVED_MAX]);

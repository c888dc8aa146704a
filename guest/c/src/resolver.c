// The WasmEdge family's `sock_getaddrinfo`, with its own structs and numbers: the guest makes a
// list of results, and the host fills it from the front.
#include "resolver.h"

#include <netdb.h>
#include <string.h>

#include "imports.h"

#define FAMILY_INET 1
#define FAMILY_INET6 2
#define TYPE_STREAM 2
#define PROTOCOL_TCP 1
#define PORT_BYTES 2
#define DATA_BYTES 26

struct wasi_sockaddr {
  uint8_t family;
  uint32_t data_bytes;
  uint8_t *data;  // the port, its high byte first, and the address
};

struct wasi_addrinfo {
  uint16_t flags;
  uint8_t family;
  uint8_t socktype;
  uint8_t protocol;
  uint32_t addr_bytes;
  struct wasi_sockaddr *addr;
  char *canonname;
  uint32_t canonname_bytes;
  struct wasi_addrinfo *next;
};

_Static_assert(sizeof(struct wasi_sockaddr) == 12, "the host's sockaddr");
_Static_assert(sizeof(struct wasi_addrinfo) == 28, "the host's addrinfo");

__attribute__((import_module("wasi_snapshot_preview1"), import_name("sock_getaddrinfo"))) int
sandpoll_sock_getaddrinfo(const char *node, size_t node_bytes, const char *service,
                          size_t service_bytes, const struct wasi_addrinfo *hints,
                          struct wasi_addrinfo **list, size_t room, uint32_t *n);

// WASI's numbers after those of errno: WASI_EAI_FIRST is EAI_ADDRFAMILY.
#define WASI_EAI_FIRST 77
static const int8_t eai[] = {EAI_ADDRFAMILY, EAI_AGAIN,  EAI_BADFLAGS, EAI_FAIL,
                             EAI_FAMILY,     EAI_MEMORY, EAI_NODATA,   EAI_NONAME,
                             EAI_SERVICE,    EAI_SOCKTYPE, EAI_SYSTEM};

static int failure(int error) {
  size_t at = (size_t)error - WASI_EAI_FIRST;
  if (error >= WASI_EAI_FIRST && at < sizeof eai) return eai[at];
  errno = error;
  return EAI_SYSTEM;
}

struct room {
  struct wasi_addrinfo info;
  struct wasi_sockaddr address;
  uint8_t data[DATA_BYTES];
};

int resolve(const char *name, int family, struct resolved found[RESOLVED_MAX]) {
  static struct room rooms[RESOLVED_MAX];
  memset(rooms, 0, sizeof rooms);
  for (int i = 0; i < RESOLVED_MAX; i++) {
    rooms[i].info.addr = &rooms[i].address;
    rooms[i].info.next = i + 1 < RESOLVED_MAX ? &rooms[i + 1].info : NULL;
    rooms[i].address.data = rooms[i].data;
    rooms[i].address.data_bytes = DATA_BYTES;
  }
  struct wasi_addrinfo hints = {.socktype = TYPE_STREAM, .protocol = PROTOCOL_TCP};
  hints.family = family == AF_INET ? FAMILY_INET : family == AF_INET6 ? FAMILY_INET6 : 0;
  struct wasi_addrinfo *list = &rooms[0].info;
  uint32_t n = 0;
  int error = sandpoll_sock_getaddrinfo(name, strlen(name) + 1, "", 1, &hints, &list, RESOLVED_MAX,
                                        &n);
  if (error) return failure(error);
  int kept = 0;
  for (uint32_t i = 0; i < n && i < RESOLVED_MAX; i++) {
    int is_in6 = rooms[i].info.family == FAMILY_INET6;
    if (!is_in6 && rooms[i].info.family != FAMILY_INET) continue;
    found[kept].family = is_in6 ? AF_INET6 : AF_INET;
    memcpy(found[kept++].address, rooms[i].data + PORT_BYTES, is_in6 ? 16 : 4);
  }
  return kept;
}

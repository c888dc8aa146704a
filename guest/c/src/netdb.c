// getaddrinfo(3): numbers are read here, names are the host's to resolve.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imports.h"
#include "resolver.h"

#define PORT_MAX 65535

struct node {
  struct addrinfo info;
  struct sockaddr_in6 address;
};

struct request {
  int flags;
  int family;
  int socktype;
  int protocol;
  in_port_t port;  // in network order
};

static const struct kind {
  int socktype;
  int protocol;
} kinds[] = {{SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}};

static int wanted(const struct request *request, const struct kind *kind) {
  if (request->socktype != 0 && request->socktype != kind->socktype) return 0;
  return request->protocol == 0 || request->protocol == kind->protocol;
}

// Appends one address, as every kind of socket that is wanted. 0, or an EAI_ error.
static int append(struct addrinfo ***end, const struct request *request, int family,
                  const void *address) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!wanted(request, &kinds[i])) continue;
    struct node *node = calloc(1, sizeof *node);
    if (!node) return EAI_MEMORY;
    struct sockaddr_in *in = (struct sockaddr_in *)&node->address;
    in->sin_family = (sa_family_t)family;
    in->sin_port = request->port;
    if (family == AF_INET) memcpy(&in->sin_addr, address, sizeof in->sin_addr);
    else memcpy(&node->address.sin6_addr, address, sizeof node->address.sin6_addr);
    node->info = (struct addrinfo){
        .ai_flags = request->flags,
        .ai_family = family,
        .ai_socktype = kinds[i].socktype,
        .ai_protocol = kinds[i].protocol,
        .ai_addrlen = family == AF_INET ? sizeof *in : sizeof node->address,
        .ai_addr = (struct sockaddr *)in,
    };
    **end = &node->info;
    *end = &node->info.ai_next;
  }
  return 0;
}

// The addresses that no name was given for: any, or the loopback ones.
static int append_own(struct addrinfo ***end, const struct request *request) {
  int passive = (request->flags & AI_PASSIVE) != 0;
  in_addr_t in = htonl(passive ? INADDR_ANY : INADDR_LOOPBACK);
  const struct in6_addr *in6 = passive ? &in6addr_any : &in6addr_loopback;
  int families[] = {passive ? AF_INET : AF_INET6, passive ? AF_INET6 : AF_INET};
  for (int i = 0; i < 2; i++) {
    if (request->family != AF_UNSPEC && request->family != families[i]) continue;
    const void *address = families[i] == AF_INET ? (const void *)&in : in6;
    int error = append(end, request, families[i], address);
    if (error) return error;
  }
  return 0;
}

// A numeric node: 0, an EAI_ error, or 1 for a name.
static int append_numeric(struct addrinfo ***end, const struct request *request,
                          const char *node) {
  struct in6_addr address;
  int family = AF_INET;
  if (inet_pton(AF_INET, node, &address) != 1) {
    family = AF_INET6;
    if (inet_pton(AF_INET6, node, &address) != 1) {
      return (request->flags & AI_NUMERICHOST) != 0 ? EAI_NONAME : 1;
    }
  }
  if (request->family != AF_UNSPEC && request->family != family) return EAI_ADDRFAMILY;
  return append(end, request, family, &address);
}

static int append_resolved(struct addrinfo ***end, const struct request *request,
                           const char *node) {
  struct resolved found[RESOLVED_MAX];
  int n = resolve(node, request->family, found);
  if (n < 0) return n;
  for (int i = 0; i < n; i++) {
    int error = append(end, request, found[i].family, found[i].address);
    if (error) return error;
  }
  return n == 0 ? EAI_NONAME : 0;
}

// Ports are numbers: there is no list of services in a guest.
static int read_service(const char *service, in_port_t *port) {
  if (!service) return 0;
  char *end;
  unsigned long value = strtoul(service, &end, 10);
  if (*service < '0' || *service > '9' || *end || value > PORT_MAX) return EAI_SERVICE;
  *port = htons((uint16_t)value);
  return 0;
}

static int read_hints(const struct addrinfo *hints, struct request *request) {
  if (!hints) return 0;
  int known = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG |
              AI_NUMERICSERV;
  if (hints->ai_flags & ~known) return EAI_BADFLAGS;
  int family = hints->ai_family;
  if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6) return EAI_FAMILY;
  request->flags = hints->ai_flags;
  request->family = family;
  request->socktype = hints->ai_socktype;
  request->protocol = hints->ai_protocol;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (wanted(request, &kinds[i])) return 0;
  }
  return EAI_SOCKTYPE;
}

static int fill(const struct request *request, const char *node, struct addrinfo **list) {
  struct addrinfo **end = list;
  if (!node) return append_own(&end, request);
  int error = append_numeric(&end, request, node);
  if (error == 1) error = append_resolved(&end, request, node);
  if (error || !(request->flags & AI_CANONNAME)) return error;
  (*list)->ai_canonname = strdup(node);
  return (*list)->ai_canonname ? 0 : EAI_MEMORY;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result) {
  if (!node && !service) return EAI_NONAME;
  struct request request = {0};
  int error = read_hints(hints, &request);
  if (!error) error = read_service(service, &request.port);
  if (error) return error;
  struct addrinfo *list = NULL;
  error = fill(&request, node, &list);
  if (error) freeaddrinfo(list);
  else *result = list;
  return error;
}

void freeaddrinfo(struct addrinfo *list) {
  while (list) {
    struct addrinfo *next = list->ai_next;
    free(list->ai_canonname);
    free(list);
    list = next;
  }
}

const char *gai_strerror(int code) {
  switch (code) {
    case EAI_BADFLAGS: return "Bad value for ai_flags";
    case EAI_NONAME: return "Name or service not known";
    case EAI_AGAIN: return "Temporary failure in name resolution";
    case EAI_FAIL: return "Non-recoverable failure in name resolution";
    case EAI_NODATA: return "No address associated with hostname";
    case EAI_FAMILY: return "ai_family not supported";
    case EAI_SOCKTYPE: return "ai_socktype not supported";
    case EAI_ADDRFAMILY: return "Address family for hostname not supported";
    case EAI_SERVICE: return "Servname not supported for ai_socktype";
    case EAI_MEMORY: return "Memory allocation failure";
    case EAI_SYSTEM: return "System error";
    case EAI_OVERFLOW: return "Argument buffer overflow";
    default: return "Unknown error";
  }
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t bytes, char *restrict host,
                socklen_t host_bytes, char *restrict service, socklen_t service_bytes, int flags) {
  const struct sockaddr_in *in = (const struct sockaddr_in *)address;
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
  int is_in6 = bytes >= sizeof *in6 && address->sa_family == AF_INET6;
  if (!is_in6 && (bytes < sizeof *in || address->sa_family != AF_INET)) return EAI_FAMILY;
  if (flags & NI_NAMEREQD) return EAI_NONAME;
  const void *bits = is_in6 ? (const void *)&in6->sin6_addr : &in->sin_addr;
  if (host && host_bytes > 0 && !inet_ntop(address->sa_family, bits, host, host_bytes)) {
    return EAI_OVERFLOW;
  }
  if (!service || service_bytes == 0) return 0;
  int n = snprintf(service, service_bytes, "%d", ntohs(in->sin_port));
  return n < (int)service_bytes ? 0 : EAI_OVERFLOW;
}

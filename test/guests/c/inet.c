// Addresses and names as text, line by line: the same on Linux and in a guest.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const addresses[] = {
    "1.2.3.4", "0.0.0.0", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4.5",
    "1.2.3.4 ", "", "::", "::1", "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", ":1", "1:",
    ":::", "1:::2", "1::2::3", "::ffff:1.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4", "::ffff:1.2.3", "fe80::1%lo", "12345::", "g::", "1:0:0:2:0:0:0:3",
    "1:0:0:2:3:0:0:4", "0:0:1::", "FFFF:abcd::", "2001:db8:0:1:1:1:1:1", "::ffff:0:0",
    "::fffe:1:2", "1:2:3:4:5:6:7::8", "::1:2:3:4:5:6:7:8", "::ffff:1.2.3.4:5",
};

static void show_address(const char *text, int family) {
  unsigned char bytes[16] = {0};
  char back[INET6_ADDRSTRLEN] = "";
  int result = inet_pton(family, text, bytes);
  printf("'%s' as %d: %d", text, family, result);
  for (size_t i = 0; result == 1 && i < sizeof bytes; i++) printf(" %02x", bytes[i]);
  if (result == 1) printf(" %s", inet_ntop(family, bytes, back, sizeof back));
  if (result == 1) printf(" %d", inet_ntop(family, bytes, back, 6) != NULL);
  putchar('\n');
}

static void show_name(const char *node, const char *service, struct addrinfo hints) {
  struct addrinfo *list = NULL;
  int error = getaddrinfo(node, service, &hints, &list);
  printf("%s %s flags %x family %d type %d: %d", node ? node : "-", service ? service : "-",
         (unsigned)hints.ai_flags, hints.ai_family, hints.ai_socktype, error);
  puts(error ? gai_strerror(error) : "");
  if (error) return;
  for (struct addrinfo *each = list; each; each = each->ai_next) {
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    int flags = NI_NUMERICHOST | NI_NUMERICSERV;
    int named = getnameinfo(each->ai_addr, each->ai_addrlen, host, sizeof host, port, sizeof port,
                            flags);
    // Linux offers raw sockets as well, which no guest has.
    if (each->ai_socktype == SOCK_RAW) continue;
    printf("  %d %d %d %d %d %s %s %s\n", each->ai_family, each->ai_socktype, each->ai_protocol,
           (int)each->ai_addrlen, named, host, port, each->ai_canonname ? each->ai_canonname : "-");
  }
  freeaddrinfo(list);
}

int main(void) {
  for (size_t i = 0; i < COUNT(addresses); i++) {
    show_address(addresses[i], AF_INET);
    show_address(addresses[i], AF_INET6);
    show_address(addresses[i], 77);
  }
  show_name("127.0.0.1", "80", (struct addrinfo){0});
  show_name("::1", "80", (struct addrinfo){.ai_socktype = SOCK_DGRAM});
  show_name("::1", NULL, (struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_STREAM});
  show_name(NULL, "8080", (struct addrinfo){.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM});
  show_name(NULL, "8080", (struct addrinfo){.ai_socktype = SOCK_STREAM});
  show_name(NULL, NULL, (struct addrinfo){.ai_socktype = SOCK_STREAM});
  show_name("name", "80",
            (struct addrinfo){.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM});
  show_name("1.2.3.4", "ht!tp", (struct addrinfo){.ai_socktype = SOCK_STREAM});
  show_name("1.2.3.4", "80", (struct addrinfo){.ai_family = 77});
  show_name("1.2.3.4", "80", (struct addrinfo){.ai_flags = 0x10000});
  show_name("1.2.3.4", "80", (struct addrinfo){.ai_socktype = 9});
  show_name("1.2.3.4", "80",
            (struct addrinfo){.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM});
  struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
  printf("%d %d %d\n", IN6_IS_ADDR_LOOPBACK(&loopback) != 0, IN6_IS_ADDR_V4MAPPED(&loopback) != 0,
         IN6_IS_ADDR_UNSPECIFIED(&in6addr_any) != 0);
  printf("%x %s\n", inet_addr("1.2.3.4"), inet_ntoa((struct in_addr){htonl(INADDR_LOOPBACK)}));
}

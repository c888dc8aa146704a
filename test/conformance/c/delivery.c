/* Datagrams to many, and options that decide when bytes travel. */
#include "observe.h"

static void say_datagram(const char *what, int fd) {
  char bytes[16];
  printf("%s: ", what);
  long long n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0) printf("errno=%s\n", errno_name(errno));
  else printf("%.*s\n", (int)n, bytes);
}

/* A datagram socket on a port that others on this machine may share. */
static int sharing(uint32_t address, int port) {
  int on = 1;
  struct sockaddr_in name = loopback(port);
  name.sin_addr.s_addr = htonl(address);
  int fd = new_socket(AF_INET, SOCK_DGRAM);
  need("SO_REUSEADDR", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  need("bind", bind(fd, (struct sockaddr *)&name, sizeof name));
  return fd;
}

static void broadcast(void) {
  enum { EVERYBODY = 0x7fffffff };
  int on = 1;
  int off = 0;
  int one = sharing(EVERYBODY, 0);
  int other = sharing(EVERYBODY, ntohs(name_of(one).sin_port));
  int single = sharing(INADDR_LOOPBACK, ntohs(name_of(one).sin_port));
  int sender = bound(SOCK_DGRAM);
  struct sockaddr_in to = name_of(one);
  say("connect without SO_BROADCAST", connect_to(sender, to));
  say("sendto without it", sendto(sender, "no", 2, 0, (struct sockaddr *)&to, sizeof to));
  say("SO_BROADCAST", setsockopt(sender, SOL_SOCKET, SO_BROADCAST, &on, sizeof on));
  say("sendto", sendto(sender, "to all", 6, 0, (struct sockaddr *)&to, sizeof to));
  settle(one, EPOLLIN);
  settle(other, EPOLLIN);
  say_datagram("one", one);
  say_datagram("the other", other);
  say_datagram("one that is bound to 127.0.0.1", single);
  say("connect", connect_to(sender, to));
  say("SO_BROADCAST off", setsockopt(sender, SOL_SOCKET, SO_BROADCAST, &off, sizeof off));
  say("send while connected", send(sender, "still", 5, 0));
  say_datagram("one", one);
  close(one);
  close(other);
  close(single);
  close(sender);
}

/* Loopback is the first interface of every network namespace. */
enum { LO = 1 };
static const uint8_t GROUP[16] = {0xff, 0x02, [13] = 0x5a, [15] = 0x01};

/* Where there is no IPv6, or no multicast on loopback, it tells where that shows. */
static void inet6_multicast(void) {
  struct sockaddr_in6 group = {.sin6_family = AF_INET6, .sin6_scope_id = LO};
  struct sockaddr_in6 near = {.sin6_family = AF_INET6, .sin6_addr = {.s6_addr = {[15] = 1}}};
  struct ipv6_mreq membership = {.ipv6mr_interface = LO};
  int interface = LO;
  socklen_t length = sizeof group;
  memcpy(&group.sin6_addr, GROUP, sizeof GROUP);
  memcpy(&membership.ipv6mr_multiaddr, GROUP, sizeof GROUP);
  int fd = say_whether("socket", socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd < 0) return;
  int sender = new_socket(AF_INET6, SOCK_DGRAM);
  say("bind the sender", bind(sender, (struct sockaddr *)&near, sizeof near));
  say("bind to the group", bind(fd, (struct sockaddr *)&group, sizeof group));
  getsockname(fd, (struct sockaddr *)&group, &length);
  int join = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &membership, sizeof membership);
  say("join", join);
  say("join again",
      setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &membership, sizeof membership));
  say("interface",
      setsockopt(sender, IPPROTO_IPV6, IPV6_MULTICAST_IF, &interface, sizeof interface));
  long long sent = sendto(sender, "to six", 6, 0, (struct sockaddr *)&group, sizeof group);
  say("sendto", sent);
  if (join == 0 && sent == 6) settle(fd, EPOLLIN);
  say_datagram("recv", fd);
  say("leave", setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &membership, sizeof membership));
  say("leave again",
      setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &membership, sizeof membership));
  close(fd);
  close(sender);
}

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  say_whether("getsockopt", getsockopt(fd, level, name, &value, &length));
  return value;
}

static void corked(void) {
  int on = 1;
  int off = 0;
  int ends[2];
  tcp_pair(ends);
  say("TCP_CORK", setsockopt(ends[0], IPPROTO_TCP, TCP_CORK, &on, sizeof on));
  say("it is", option(ends[0], IPPROTO_TCP, TCP_CORK));
  say("send", send_text(ends[0], "one "));
  say("send", send_text(ends[0], "two"));
  say_datagram("held back", ends[1]);
  say("uncork", setsockopt(ends[0], IPPROTO_TCP, TCP_CORK, &off, sizeof off));
  settle(ends[1], EPOLLIN);
  say_datagram("in one piece", ends[1]);
  say("it is", option(ends[0], IPPROTO_TCP, TCP_CORK));
  int udp = bound(SOCK_DGRAM);
  say("TCP_CORK of UDP", setsockopt(udp, IPPROTO_TCP, TCP_CORK, &on, sizeof on));
  close(udp);
  close_both(ends);
}

static void quick_acks(void) {
  int values[] = {0, 1, 0};
  int ends[2];
  tcp_pair(ends);
  for (int i = 0; i < COUNT(values); i++) {
    say("TCP_QUICKACK",
        setsockopt(ends[0], IPPROTO_TCP, TCP_QUICKACK, &values[i], sizeof values[i]));
    say("it is", option(ends[0], IPPROTO_TCP, TCP_QUICKACK));
  }
  say("of 1 byte", setsockopt(ends[0], IPPROTO_TCP, TCP_QUICKACK, values, 1));
  say("send", send_text(ends[1], "x"));
  settle(ends[0], EPOLLIN);
  say_recv("bytes come as ever", ends[0], 4);
  close_both(ends);
}

/* Control data that nobody could send: the flags of a message stay clear. */
static void message_flags(void) {
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
  for (int i = 0; i < COUNT(types); i++) {
    char bytes[4];
    char room[64];
    struct iovec iovec = {.iov_base = bytes, .iov_len = sizeof bytes};
    int ends[2];
    printf("type %d\n", i);
    new_pair(types[i], ends);
    send_text(ends[1], "12345678");
    for (int turn = 0; turn < 2; turn++) {
      struct msghdr message = {.msg_iov = &iovec, .msg_iovlen = 1, .msg_flags = -1};
      message.msg_control = turn == 0 ? room : NULL;
      message.msg_controllen = turn == 0 ? sizeof room : 0;
      say("recvmsg", recvmsg(ends[0], &message, MSG_DONTWAIT | MSG_PEEK));
      say("cut", (message.msg_flags & MSG_TRUNC) != 0);
      say("control data cut", (message.msg_flags & MSG_CTRUNC) != 0);
      say("bytes of control data", (long long)message.msg_controllen);
    }
    close_both(ends);
  }
}

static const struct example EXAMPLES[] = {
    {"UDP broadcast on loopback", broadcast},
    {"IPv6 multicast on loopback", inet6_multicast},
    {"TCP_CORK holds bytes back until it is pulled", corked},
    {"TCP_QUICKACK is set, and changes nothing for the reader", quick_acks},
    {"MSG_TRUNC and MSG_CTRUNC: a message without control data", message_flags},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

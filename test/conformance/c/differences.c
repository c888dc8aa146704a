/* Where a guest rightly sees other than Linux: what the host refuses or decides by itself. */
#include "observe.h"

static void unknown_bits(void) {
  static const uint32_t bits[] = {1u << 26, 1u << 27, 1u << 12, 0x20, 0x800};
  for (int i = 0; i < COUNT(bits); i++) {
    int epoll = new_epoll();
    int event = new_event(1);
    char what[32];
    snprintf(what, sizeof what, "bit 0x%x", (unsigned)bits[i]);
    say(what, control(epoll, EPOLL_CTL_ADD, event, EPOLLIN | bits[i], 1));
    close(event);
    close(epoll);
  }
}

static void low_water(void) {
  int mark = 100;
  int ends[2];
  tcp_pair(ends);
  say("SO_RCVLOWAT 100", setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
  send_text(ends[1], "12345");
  while (recv(ends[0], (char[8]){0}, 8, MSG_PEEK | MSG_DONTWAIT) != 5) continue;
  say_ready("5 bytes are there", ends[0]);
  mark = 1;
  say("SO_RCVLOWAT 1", setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
  say_ready("5 bytes are there", ends[0]);
  close_both(ends);
}

static void packet_pipes(void) {
  int ends[2];
  int result = pipe2(ends, O_NONBLOCK | O_CLOEXEC | 040000);
  say("a pipe of packets", result);
  if (result == 0) close_both(ends);
}

static void beyond_grants(void) {
  struct sockaddr_in address = loopback(9);
  address.sin_addr.s_addr = htonl(0xc0000201);
  int fd = new_socket(AF_INET, SOCK_DGRAM);
  say("192.0.2.1 is refused", connect_to(fd, address) < 0 && errno == EACCES);
  close(fd);
}

static const struct example EXAMPLES[] = {
    {"E24: event bits that Linux does not know", unknown_bits},
    {"E30: a low-water mark", low_water},
    {"pipes that keep packets apart", packet_pipes},
    {"an address that was not granted", beyond_grants},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

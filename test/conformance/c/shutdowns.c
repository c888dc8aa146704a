/* Which events each end sees after each end has shut down, and what its calls answer. */
#include "observe.h"

enum { NOTHING, READING, WRITING, BOTH, CLOSED };
static const char *const NAMES[] = {"nothing", "SHUT_RD", "SHUT_WR", "SHUT_RDWR", "close"};
static const int HOWS[] = {-1, SHUT_RD, SHUT_WR, SHUT_RDWR, -1};

static void new_ends(int type, int ends[2]) {
  if (type == 0) tcp_pair(ends);
  else new_pair(type, ends);
}

/* What the first end must come to see, when TCP has brought what the second did. */
static void settle_ends(int type, const int ends[2], int own, int peers, int data) {
  if (type != 0) return;
  if (data && own != READING && own != BOTH) settle(ends[0], EPOLLIN);
  if (peers >= WRITING) settle(ends[0], EPOLLRDHUP);
  if (peers != CLOSED && (own == WRITING || own == BOTH)) settle(ends[1], EPOLLRDHUP);
}

static void act(int fd, int action) {
  if (action == CLOSED) close(fd);
  else if (action != NOTHING) say(NAMES[action], shutdown(fd, HOWS[action]));
}

static void combination(int type, int own, int peers, int data) {
  int ends[2];
  printf("own %s, peer's %s%s\n", NAMES[own], NAMES[peers], data ? ", with data" : "");
  new_ends(type, ends);
  if (data) send_text(ends[1], "data");
  settle_ends(type, ends, NOTHING, NOTHING, data);
  act(ends[0], own);
  settle_ends(type, ends, own, NOTHING, 0);
  act(ends[1], peers);
  settle_ends(type, ends, own, peers, 0);
  say_ready("own", ends[0]);
  say_masked("own, mask 0", ends[0], 0);
  if (peers != CLOSED) say_ready("peer's", ends[1]);
  say_recv("recv", ends[0], 64);
  say_recv("recv again", ends[0], 64);
  if (peers != CLOSED || type != 0) say("send", send_text(ends[0], "x"));
  close(ends[0]);
  if (peers != CLOSED) close(ends[1]);
}

static void matrix(int type) {
  for (int own = NOTHING; own < CLOSED; own++) {
    for (int peers = NOTHING; peers <= CLOSED; peers++) {
      combination(type, own, peers, 0);
      combination(type, own, peers, 1);
    }
  }
}

static void of_tcp(void) { matrix(0); }
static void of_streams(void) { matrix(SOCK_STREAM); }
static void of_packets(void) { matrix(SOCK_SEQPACKET); }
static void of_datagrams(void) { matrix(SOCK_DGRAM); }

static void wrong_shutdowns(void) {
  int ends[2];
  int listener = new_listener(1);
  int event = new_event(0);
  int fresh = new_socket(AF_INET, SOCK_STREAM);
  new_pair(SOCK_STREAM, ends);
  say("how 3", shutdown(ends[0], 3));
  say("how -1", shutdown(ends[0], -1));
  say("SHUT_WR", shutdown(ends[0], SHUT_WR));
  say("twice", shutdown(ends[0], SHUT_WR));
  say("of an eventfd", shutdown(event, SHUT_WR));
  say("of a fresh one", shutdown(fresh, SHUT_WR));
  say("of a listener", shutdown(listener, SHUT_RDWR));
  say("of a listener again", shutdown(listener, SHUT_RDWR));
  say("of what is not open", shutdown(-1, SHUT_RDWR));
  close_both(ends);
  close(fresh);
  close(event);
  close(listener);
}

static void edges(void) {
  static const int types[] = {0, SOCK_STREAM, SOCK_SEQPACKET};
  for (int i = 0; i < 3; i++) {
    int epoll = new_epoll();
    int ends[2];
    printf("type %d\n", i);
    new_ends(types[i], ends);
    watch(epoll, ends[0], ALL_EVENTS | EPOLLET, 1);
    say_wait("at first", epoll);
    say("own SHUT_WR", shutdown(ends[0], SHUT_WR));
    settle(ends[1], EPOLLRDHUP);
    say_wait("is it an edge", epoll);
    say("peer's SHUT_WR", shutdown(ends[1], SHUT_WR));
    settle(ends[0], EPOLLRDHUP);
    say_wait("that is one", epoll);
    say_wait("once", epoll);
    close_both(ends);
    close(epoll);
  }
}

static const struct example EXAMPLES[] = {
    {"9.3: shutdowns of TCP", of_tcp},
    {"9.3: shutdowns of unix streams", of_streams},
    {"9.3: shutdowns of unix packets", of_packets},
    {"9.3: shutdowns of unix datagrams", of_datagrams},
    {"9.3: shutdowns that are refused, or come twice", wrong_shutdowns},
    {"9.3: shutdowns as edges", edges},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

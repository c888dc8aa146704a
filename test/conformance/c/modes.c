/* Level-triggered, edge-triggered, one-shot and nested: when an event is told again. */
#include "observe.h"

static void partial_read(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  watch(epoll, ends[0], EPOLLIN | EPOLLET, 1);
  say_wait("nothing yet", epoll);
  send_text(ends[1], "12345678");
  say_wait("eight bytes came", epoll);
  say_wait("the same again", epoll);
  say_recv("half is read", ends[0], 4);
  say_wait("no new edge", epoll);
  send_text(ends[1], "90");
  say_wait("more came", epoll);
  need("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 2));
  say_wait("MOD arms it again", epoll);
  say_recv("all is read", ends[0], 64);
  say_recv("nothing is left", ends[0], 64);
  need("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 3));
  say_wait("MOD of what is not ready", epoll);
  close_both(ends);
  close(epoll);
}

static void edge_of_both(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  watch(epoll, ends[0], EPOLLIN | EPOLLOUT | EPOLLET, 1);
  say_wait("there is room", epoll);
  say_wait("told once", epoll);
  send_text(ends[1], "x");
  say_wait("IN changed, and OUT is told with it", epoll);
  say_recv("read", ends[0], 64);
  say_wait("reading is no edge", epoll);
  send_text(ends[1], "y");
  send_text(ends[1], "z");
  say_wait("two writes, one event", epoll);
  close_both(ends);
  close(epoll);
}

/* Fills what a peer has not read; the number of bytes is the kernel's own affair. */
static void fill(int fd) {
  static const char bytes[4096];
  while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) continue;
  say("full", -1);
}

static void drain(int fd) {
  char bytes[4096];
  while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  say("empty", -1);
}

static void edge_of_room(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  watch(epoll, ends[0], EPOLLOUT | EPOLLET, 1);
  watch(epoll, ends[1], EPOLLIN | EPOLLET, 2);
  say_wait("at first", epoll);
  fill(ends[0]);
  say_wait("filled", epoll);
  drain(ends[1]);
  say_wait("drained", epoll);
  say_wait("once", epoll);
  close_both(ends);
  close(epoll);
}

static void pipe_edges(void) {
  static const char bytes[4096];
  char half[4096];
  int epoll = new_epoll();
  int ends[2];
  need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  watch(epoll, ends[0], EPOLLIN | EPOLLET, 1);
  watch(epoll, ends[1], EPOLLOUT | EPOLLET, 2);
  say_wait("at first", epoll);
  say("write", write(ends[1], bytes, sizeof bytes));
  say_wait("IN once, for there is still room", epoll);
  say_wait("again", epoll);
  say("half is read", read(ends[0], half, 2048));
  say_wait("no new edge", epoll);
  say("the rest", read(ends[0], half, 4096));
  say_wait("drained", epoll);
  while (write(ends[1], bytes, sizeof bytes) > 0) continue;
  say("full", -1);
  say_wait("filled", epoll);
  while (read(ends[0], half, sizeof half) > 0) continue;
  say("empty", -1);
  say_wait("room again", epoll);
  close_both(ends);
  close(epoll);
}

static void pipe_levels(void) {
  int epoll = new_epoll();
  int ends[2];
  need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  watch(epoll, ends[0], EPOLLIN, 1ull << 40);
  watch(epoll, ends[1], EPOLLOUT, 2);
  say_wait("an empty pipe has room", epoll);
  say("write", write(ends[1], "x", 1));
  say_wait("both", epoll);
  need("DEL", control(epoll, EPOLL_CTL_DEL, ends[1], 0, 0));
  say_wait("only the reader", epoll);
  close(ends[1]);
  say_wait("the writer is gone, a byte is left", epoll);
  char byte;
  say("read", read(ends[0], &byte, 1));
  say_wait("all is read", epoll);
  say("end", read(ends[0], &byte, 1));
  close(ends[0]);
  say_wait("closed", epoll);
  close(epoll);
}

static void once(uint32_t mode) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  watch(epoll, ends[0], EPOLLIN | EPOLLOUT | EPOLLONESHOT | mode, 1);
  say_wait("fires for OUT", epoll);
  send_text(ends[1], "x");
  say_wait("IN is disarmed with it", epoll);
  need("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT | mode, 2));
  say_wait("armed again, and at once", epoll);
  send_text(ends[1], "y");
  say_wait("silent", epoll);
  say("ADD of a silent one", control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN, 3));
  close(ends[1]);
  say_wait("silent even when the peer is gone", epoll);
  need("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLONESHOT | mode, 4));
  say_wait("a mask of nothing tells of the hang-up", epoll);
  say_wait("once", epoll);
  say("DEL of a silent one", control(epoll, EPOLL_CTL_DEL, ends[0], 0, 0));
  close(ends[0]);
  close(epoll);
}

static void one_shot(void) { once(0); }
static void one_shot_edge(void) { once(EPOLLET); }

static void one_shot_reset(void) {
  int epoll = new_epoll();
  int ends[2];
  tcp_pair(ends);
  watch(epoll, ends[0], EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, 1);
  send_text(ends[1], "job");
  settle(ends[0], EPOLLIN);
  say_wait("the job", epoll);
  reset(ends[1]);
  settle(ends[0], EPOLLRDHUP);
  say_wait("reset while it is worked on", epoll);
  need("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, 1));
  say_wait("told when it is armed again", epoll);
  close(ends[0]);
  close(epoll);
}

static void two_instances_once(void) {
  int epolls[2] = {new_epoll(), new_epoll()};
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  watch(epolls[0], ends[0], EPOLLIN | EPOLLONESHOT, 1);
  watch(epolls[1], ends[0], EPOLLIN | EPOLLONESHOT, 2);
  send_text(ends[1], "x");
  for (int i = 0; i < 2; i++) say_wait("each fires", epolls[i]);
  for (int i = 0; i < 2; i++) say_wait("neither again", epolls[i]);
  need("MOD", control(epolls[1], EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 3));
  for (int i = 0; i < 2; i++) say_wait("one was armed", epolls[i]);
  close_both(ends);
  close_both(epolls);
}

static void masked(void) {
  int epoll = new_epoll();
  int ends[2];
  tcp_pair(ends);
  watch(epoll, ends[0], 0, 1);
  send_text(ends[1], "x");
  settle(ends[0], EPOLLIN);
  say_wait("data, mask 0", epoll);
  reset(ends[1]);
  settle(ends[0], EPOLLRDHUP);
  say_wait("reset, mask 0", epoll);
  say_wait("for ever", epoll);
  need("DEL", control(epoll, EPOLL_CTL_DEL, ends[0], 0, 0));
  say_wait("until DEL", epoll);
  close(ends[0]);
  close(epoll);
}

/* poll(2) of an epoll: whether it has events. */
static void say_poll(int epoll) {
  struct pollfd pollfd = {.fd = epoll, .events = POLLIN};
  int n = poll(&pollfd, 1, 0);
  printf("poll: %d%s\n", n, n > 0 && (pollfd.revents & POLLIN) != 0 ? " IN" : "");
}

/* Rows 1 to 8: one instance, waited on twice, with and without poll(2) before. */
static void wake_one_level(void) {
  for (int row = 0; row < 8; row++) {
    int polled = row >= 4;
    int sockets = row % 4 / 2 + 1;
    uint32_t mode = row % 2 == 0 ? 0 : EPOLLET;
    int epoll = new_epoll();
    int pairs[2][2];
    printf("row %d\n", row + 1);
    for (int i = 0; i < sockets; i++) {
      new_pair(SOCK_STREAM, pairs[i]);
      watch(epoll, pairs[i][0], EPOLLIN | mode, (uint64_t)i);
      send_text(pairs[i][1], "w");
    }
    for (int round = 0; round < 2; round++) {
      if (polled) say_poll(epoll);
      say_wait("wait", epoll);
    }
    for (int i = 0; i < sockets; i++) close_both(pairs[i]);
    close(epoll);
  }
}

/* Rows 17 to 24: an instance in an instance; the outer flag decides. */
static void wake_two_levels(void) {
  for (int row = 0; row < 8; row++) {
    uint32_t outer_mode = row % 4 >= 2 ? EPOLLET : 0;
    uint32_t inner_mode = row % 2 == 1 ? EPOLLET : 0;
    int outer = new_epoll();
    int inner = new_epoll();
    int ends[2];
    printf("row %d\n", row + 17);
    new_pair(SOCK_STREAM, ends);
    watch(outer, inner, EPOLLIN | outer_mode, 1);
    watch(inner, ends[0], EPOLLIN | inner_mode, 2);
    send_text(ends[1], "w");
    for (int round = 0; round < 2; round++) {
      if (row >= 4) say_poll(outer);
      say_wait("outer", outer);
    }
    say_wait("inner", inner);
    say_wait("outer at last", outer);
    close_both(ends);
    close(inner);
    close(outer);
  }
}

/* Rows 49 to 52: two instances in one. */
static void wake_tree(void) {
  for (int row = 0; row < 4; row++) {
    uint32_t mode = row % 2 == 0 ? 0 : EPOLLET;
    int outer = new_epoll();
    int inner[2];
    int pairs[2][2];
    printf("row %d\n", row + 49);
    for (int i = 0; i < 2; i++) {
      inner[i] = new_epoll();
      new_pair(SOCK_STREAM, pairs[i]);
      watch(inner[i], pairs[i][0], EPOLLIN, 0);
      watch(outer, inner[i], EPOLLIN | mode, (uint64_t)i);
      send_text(pairs[i][1], "w");
    }
    for (int round = 0; round < 2; round++) {
      if (row >= 2) say_poll(outer);
      say_wait("wait", outer);
    }
    for (int i = 0; i < 2; i++) close_both(pairs[i]);
    close_both(inner);
    close(outer);
  }
}

static void nested_depths(void) {
  enum { DEPTH = 5 };
  int chain[DEPTH];
  int event = new_event(0);
  for (int i = 0; i < DEPTH; i++) chain[i] = new_epoll();
  for (int i = 0; i + 1 < DEPTH; i++) watch(chain[i + 1], chain[i], EPOLLIN, (uint64_t)i);
  watch(chain[0], event, EPOLLIN, 99);
  say_wait("outermost, nothing", chain[DEPTH - 1]);
  uint64_t one = 1;
  say("write", write(event, &one, sizeof one));
  for (int i = DEPTH - 1; i >= 0; i--) say_wait("level", chain[i]);
  say("read", read(event, &one, sizeof one));
  for (int i = DEPTH - 1; i >= 0; i--) say_wait("level, read", chain[i]);
  for (int i = 0; i < DEPTH; i++) close(chain[i]);
  close(event);
}

static void repeated_mod(void) {
  enum { ROUNDS = 2000 };
  int epoll = new_epoll();
  int event = new_event(1);
  struct epoll_event events[1];
  int seen = 0;
  watch(epoll, event, EPOLLIN | EPOLLET, 1);
  for (int i = 0; i < ROUNDS; i++) {
    seen += epoll_wait(epoll, events, 1, 0);
    need("MOD", control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLET, 1));
  }
  say("seen", seen);
  close(event);
  close(epoll);
}

static const struct example EXAMPLES[] = {
    {"E3, wait06: a partial read is no edge, new data and MOD are", partial_read},
    {"E3: OUT is told again when only IN changed", edge_of_both},
    {"E3, wait06: a full socket that is drained gives an edge", edge_of_room},
    {"wait06: the edges of a pipe", pipe_edges},
    {"wait01, wait11: the levels of a pipe", pipe_levels},
    {"E5, wait07: one-shot is silent until MOD", one_shot},
    {"E5: one-shot and edge-triggered together", one_shot_edge},
    {"E5: a reset while disarmed is told at MOD", one_shot_reset},
    {"9.3: one descriptor, one-shot in two instances", two_instances_once},
    {"E10: hang-ups and errors cannot be masked", masked},
    {"9.2, rows 1 to 8: one instance, asked twice", wake_one_level},
    {"9.2, rows 17 to 24: an instance in an instance", wake_two_levels},
    {"9.2, rows 49 to 52: two instances in one", wake_tree},
    {"wait09: an event shows at every level of five", nested_depths},
    {"9.2, row 59: every MOD arms an edge-triggered event again", repeated_mod},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

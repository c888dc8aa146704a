/* What epoll_create(2) and epoll_ctl(2) accept and refuse. Standard input is a regular file. */
#include "observe.h"

/* An address that no process and no guest has. */
#define NOWHERE ((struct epoll_event *)(uintptr_t)-64)

static void create_sizes(void) {
  static const int sizes[] = {1, INT_MAX, 0, -1};
  for (int i = 0; i < COUNT(sizes); i++) {
    char what[40];
    snprintf(what, sizeof what, "epoll_create(%d)", sizes[i]);
    int epoll = say_whether(what, epoll_create(sizes[i]));
    if (epoll >= 0) close(epoll);
  }
}

static void create_flags(void) {
  static const int flags[] = {0, EPOLL_CLOEXEC, 1, -1, EPOLL_CLOEXEC | 4};
  for (int i = 0; i < COUNT(flags); i++) {
    char what[40];
    snprintf(what, sizeof what, "flags %d of the table", i);
    int epoll = say_whether(what, epoll_create1(flags[i]));
    if (epoll >= 0) close(epoll);
  }
}

static void add_mod_del(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  say_wait("empty", epoll);
  say("ADD", control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN, 7));
  say_wait("nothing to read", epoll);
  send_text(ends[1], "x");
  say_wait("something to read", epoll);
  say("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLOUT, UINT64_MAX));
  say_wait("asked for room, all 64 bits of data changed", epoll);
  say("MOD", control(epoll, EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLOUT, 1ull << 63));
  say_wait("both in one event", epoll);
  say("DEL without an event", epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL));
  say_wait("no more", epoll);
  close_both(ends);
  close(epoll);
}

static void control_errors(void) {
  int epoll = new_epoll();
  int event = new_event(0);
  int other = new_event(0);
  watch(epoll, event, EPOLLIN, 0);
  say("epfd -1", control(-1, EPOLL_CTL_ADD, event, EPOLLIN, 0));
  say("epfd is not open", control(1 << 20, EPOLL_CTL_ADD, event, EPOLLIN, 0));
  say("epfd is no epoll", control(event, EPOLL_CTL_ADD, other, EPOLLIN, 0));
  say("fd -1", control(epoll, EPOLL_CTL_ADD, -1, EPOLLIN, 0));
  say("fd is not open", control(epoll, EPOLL_CTL_ADD, 1 << 20, EPOLLIN, 0));
  say("DEL of fd -1", control(epoll, EPOLL_CTL_DEL, -1, 0, 0));
  say("both the same", control(epoll, EPOLL_CTL_ADD, epoll, EPOLLIN, 0));
  say("ADD twice", control(epoll, EPOLL_CTL_ADD, event, EPOLLIN, 0));
  say("MOD of a stranger", control(epoll, EPOLL_CTL_MOD, other, EPOLLIN, 0));
  say("DEL of a stranger", control(epoll, EPOLL_CTL_DEL, other, 0, 0));
  say("op 0", control(epoll, 0, event, EPOLLIN, 0));
  say("op 4", control(epoll, 4, event, EPOLLIN, 0));
  say("op -1", control(epoll, -1, other, EPOLLIN, 0));
  say("ADD, event nowhere", epoll_ctl(epoll, EPOLL_CTL_ADD, other, NOWHERE));
  say("MOD, event nowhere", epoll_ctl(epoll, EPOLL_CTL_MOD, event, NOWHERE));
  say("DEL, event nowhere", epoll_ctl(epoll, EPOLL_CTL_DEL, event, NOWHERE));
  close(other);
  close(event);
  close(epoll);
}

static void every_mask(void) {
  static const uint32_t bits[] = {EPOLLIN,  EPOLLOUT, EPOLLPRI,     EPOLLERR,
                                  EPOLLHUP, EPOLLET,  EPOLLONESHOT, EPOLLRDHUP};
  int epoll = new_epoll();
  int ends[2];
  int accepted_masks = 0;
  new_pair(SOCK_STREAM, ends);
  watch(epoll, ends[0], 0, 1);
  for (int mask = 0; mask < 256; mask++) {
    uint32_t events = 0;
    for (int bit = 0; bit < 8; bit++) {
      if (mask >> bit & 1) events |= bits[bit];
    }
    accepted_masks += control(epoll, EPOLL_CTL_MOD, ends[0], events, 1) == 0;
    char what[16];
    snprintf(what, sizeof what, "mask %d", mask);
    say_wait(what, epoll);
  }
  say("accepted", accepted_masks);
  close_both(ends);
  close(epoll);
}

static void exclusive(void) {
  static const struct name with[] = {
      {0, "alone"},          {EPOLLET, "with ET"},       {EPOLLONESHOT, "with ONESHOT"},
      {EPOLLPRI, "with PRI"}, {EPOLLRDHUP, "with RDHUP"}, {EPOLLRDNORM, "with RDNORM"},
      {EPOLLERR, "with ERR"}, {EPOLLHUP, "with HUP"},     {EPOLLWAKEUP, "with WAKEUP"},
  };
  for (int i = 0; i < COUNT(with); i++) {
    int epoll = new_epoll();
    int event = new_event(1);
    uint32_t mask = EPOLLIN | EPOLLEXCLUSIVE | (uint32_t)with[i].value;
    say(with[i].text, control(epoll, EPOLL_CTL_ADD, event, mask, 1));
    say_wait("which gives", epoll);
    close(event);
    close(epoll);
  }
}

static void exclusive_changed(void) {
  int epoll = new_epoll();
  int inner = new_epoll();
  int event = new_event(1);
  watch(epoll, event, EPOLLIN | EPOLLEXCLUSIVE, 1);
  say("MOD of an exclusive one", control(epoll, EPOLL_CTL_MOD, event, EPOLLIN, 1));
  say("MOD to the same", control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLEXCLUSIVE, 1));
  say("DEL", control(epoll, EPOLL_CTL_DEL, event, 0, 0));
  watch(epoll, event, EPOLLIN, 2);
  say("MOD to exclusive", control(epoll, EPOLL_CTL_MOD, event, EPOLLIN | EPOLLEXCLUSIVE, 2));
  say_wait("what is left", epoll);
  say("of an epoll", control(epoll, EPOLL_CTL_ADD, inner, EPOLLIN | EPOLLEXCLUSIVE, 3));
  close(event);
  close(inner);
  close(epoll);
}

static void nesting(void) {
  enum { DEPTH = 8 };
  int chain[DEPTH];
  for (int i = 0; i < DEPTH; i++) chain[i] = new_epoll();
  for (int i = 0; i + 1 < DEPTH; i++) {
    char what[40];
    snprintf(what, sizeof what, "%d into %d, outer first", i + 1, i);
    say(what, control(chain[i], EPOLL_CTL_ADD, chain[i + 1], EPOLLIN, 0));
  }
  for (int i = 0; i < DEPTH; i++) close(chain[i]);
  for (int i = 0; i < DEPTH; i++) chain[i] = new_epoll();
  for (int i = DEPTH - 1; i > 0; i--) {
    char what[40];
    snprintf(what, sizeof what, "%d into %d, inner first", i, i - 1);
    say(what, control(chain[i - 1], EPOLL_CTL_ADD, chain[i], EPOLLIN, 0));
  }
  for (int i = 0; i < DEPTH; i++) close(chain[i]);
}

static void circles(void) {
  int chain[5];
  for (int i = 0; i < 5; i++) chain[i] = new_epoll();
  say("itself", control(chain[0], EPOLL_CTL_ADD, chain[0], EPOLLIN, 0));
  watch(chain[0], chain[1], EPOLLIN, 0);
  say("of two", control(chain[1], EPOLL_CTL_ADD, chain[0], EPOLLIN, 0));
  watch(chain[1], chain[2], EPOLLIN, 0);
  say("of three", control(chain[2], EPOLL_CTL_ADD, chain[0], EPOLLIN, 0));
  watch(chain[2], chain[3], EPOLLIN, 0);
  watch(chain[3], chain[4], EPOLLIN, 0);
  say("of five", control(chain[4], EPOLL_CTL_ADD, chain[0], EPOLLIN, 0));
  say("DEL breaks the chain", control(chain[2], EPOLL_CTL_DEL, chain[3], 0, 0));
  say("no circle any more", control(chain[4], EPOLL_CTL_ADD, chain[0], EPOLLIN, 0));
  for (int i = 0; i < 5; i++) close(chain[i]);
}

static void add_and_close(int epoll, const char *what, int fd) {
  if (need(what, fd) < 0) return;
  say(what, control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT, 0));
  close(fd);
}

static void kinds(void) {
  int epoll = new_epoll();
  int ends[2];
  say("regular file", control(epoll, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, 0));
  say("standard output", control(epoll, EPOLL_CTL_ADD, STDOUT_FILENO, EPOLLOUT, 0));
  add_and_close(epoll, "eventfd", new_event(0));
  add_and_close(epoll, "timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  add_and_close(epoll, "epoll", new_epoll());
  add_and_close(epoll, "TCP", new_socket(AF_INET, SOCK_STREAM));
  add_and_close(epoll, "TCP over IPv6", new_socket(AF_INET6, SOCK_STREAM));
  add_and_close(epoll, "UDP", new_socket(AF_INET, SOCK_DGRAM));
  add_and_close(epoll, "unix stream", new_socket(AF_UNIX, SOCK_STREAM));
  add_and_close(epoll, "unix datagram", new_socket(AF_UNIX, SOCK_DGRAM));
  add_and_close(epoll, "unix seqpacket", new_socket(AF_UNIX, SOCK_SEQPACKET));
  need("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  add_and_close(epoll, "reading end of a pipe", ends[0]);
  add_and_close(epoll, "writing end of a pipe", ends[1]);
  close(epoll);
}

static void accepted_bits(void) {
  static const struct name masks[] = {
      {0xffffffffu, "all bits"},
      {EPOLLWAKEUP | EPOLLIN, "WAKEUP"},
      {EPOLLMSG | EPOLLIN, "MSG"},
      {EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND, "the bands"},
      {0, "nothing"},
  };
  for (int i = 0; i < COUNT(masks); i++) {
    int epoll = new_epoll();
    int event = new_event(1);
    say(masks[i].text, control(epoll, EPOLL_CTL_ADD, event, (uint32_t)masks[i].value, 1));
    say_wait("which gives", epoll);
    close(event);
    close(epoll);
  }
}

static void failed_add(void) {
  int epoll = new_epoll();
  int event = new_event(1);
  watch(epoll, event, EPOLLIN, 1);
  say("ADD again, with another mask", control(epoll, EPOLL_CTL_ADD, event, EPOLLOUT, 2));
  say_wait("the first one stands", epoll);
  say("ADD of a file", control(epoll, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, 3));
  say("DEL of that file", control(epoll, EPOLL_CTL_DEL, STDIN_FILENO, 0, 0));
  int invalid = new_event(1);
  say("ADD with a bad combination",
      control(epoll, EPOLL_CTL_ADD, invalid, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 4));
  say("MOD of what was not added", control(epoll, EPOLL_CTL_MOD, invalid, EPOLLIN, 4));
  say_wait("still only the first", epoll);
  close(invalid);
  close(event);
  close(epoll);
}

static const struct example EXAMPLES[] = {
    {"create01 and create02: sizes above 0 are accepted", create_sizes},
    {"create1_02: flags other than CLOEXEC are EINVAL", create_flags},
    {"ctl01: ADD, MOD and DEL show at the next wait", add_mod_del},
    {"ctl02: every wrong argument of epoll_ctl has its errno", control_errors},
    {"ctl03: all 256 combinations of eight event bits", every_mask},
    {"E4: what EPOLLEXCLUSIVE can be combined with", exclusive},
    {"E4: an exclusive registration cannot be changed, nor made", exclusive_changed},
    {"E14, ctl04: epolls nest five deep", nesting},
    {"E14, ctl05 and ctl07: circles of one, two, three and five are refused", circles},
    {"E15, ctl06: which kinds of descriptors can be watched", kinds},
    {"E24: event bits that Linux knows", accepted_bits},
    {"E26: a failed ADD leaves nothing behind", failed_add},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

/* Descriptors that close, whose numbers come again, and that run out (E1, E2, E16, E25). */
#include "observe.h"

static void removed_by_close(void) {
  int epoll = new_epoll();
  int event = new_event(1);
  watch(epoll, event, EPOLLIN, 1);
  say_wait("open", epoll);
  close(event);
  say_wait("closed", epoll);
  say("DEL of a closed one", control(epoll, EPOLL_CTL_DEL, event, 0, 0));
  say("MOD of a closed one", control(epoll, EPOLL_CTL_MOD, event, EPOLLIN, 1));
  close(epoll);
}

static void same_number(void) {
  int epoll = new_epoll();
  int first = new_event(1);
  watch(epoll, first, EPOLLIN, 1);
  close(first);
  int second = new_event(1);
  say("the same number", first == second);
  say_wait("another file of that number", epoll);
  say("MOD", control(epoll, EPOLL_CTL_MOD, second, EPOLLIN, 2));
  say("ADD", control(epoll, EPOLL_CTL_ADD, second, EPOLLIN, 2));
  say_wait("only the second", epoll);
  close(second);
  close(epoll);
}

static void number_of_another_kind(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  send_text(ends[1], "x");
  watch(epoll, ends[0], EPOLLIN | EPOLLET, 1);
  close(ends[0]);
  int timer = need("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  say("the same number", timer == ends[0]);
  say_wait("the event of the pair is gone", epoll);
  say("ADD", control(epoll, EPOLL_CTL_ADD, timer, EPOLLIN, 2));
  say_wait("and the timer is not ready", epoll);
  close(timer);
  close(ends[1]);
  close(epoll);
}

static void closed_in_a_batch(void) {
  enum { DESCRIPTORS = 16 };
  struct epoll_event events[DESCRIPTORS];
  int fds[DESCRIPTORS];
  int generation[DESCRIPTORS] = {0};
  int epoll = new_epoll();
  for (int i = 0; i < DESCRIPTORS; i++) {
    fds[i] = new_event(1);
    watch(epoll, fds[i], EPOLLIN, (uint64_t)i);
  }
  for (int round = 0; round < 3; round++) {
    int stale = 0;
    int n = epoll_wait(epoll, events, DESCRIPTORS, 0);
    for (int i = 0; i < n; i++) {
      int slot = (int)(events[i].data.u64 & 0xffff);
      if ((int)(events[i].data.u64 >> 16) != generation[slot]) {
        stale++;
        continue;
      }
      int victim = (slot * 5 + 3 + round) % DESCRIPTORS;
      close(fds[victim]);
      fds[victim] = new_event(1);
      generation[victim]++;
      watch(epoll, fds[victim], EPOLLIN,
            (uint64_t)victim | (uint64_t)generation[victim] << 16);
    }
    say("events", n);
    say("of them stale", stale);
  }
  say_wait("none of an old generation", epoll);
  for (int i = 0; i < DESCRIPTORS; i++) close(fds[i]);
  close(epoll);
}

static void closed_after_del(void) {
  int epoll = new_epoll();
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  watch(epoll, ends[0], EPOLLIN, 1);
  send_text(ends[1], "x");
  say("DEL", control(epoll, EPOLL_CTL_DEL, ends[0], 0, 0));
  say_wait("deleted, though it was ready", epoll);
  say("DEL again", control(epoll, EPOLL_CTL_DEL, ends[0], 0, 0));
  say("ADD again", control(epoll, EPOLL_CTL_ADD, ends[0], EPOLLIN, 2));
  say_wait("back", epoll);
  close_both(ends);
  say_wait("both closed", epoll);
  close(epoll);
}

static void closed_epoll(void) {
  int epoll = new_epoll();
  int outer = new_epoll();
  int event = new_event(1);
  watch(epoll, event, EPOLLIN, 1);
  watch(outer, epoll, EPOLLIN, 2);
  say_wait("outer", outer);
  close(epoll);
  say_wait("the inner one is closed", outer);
  say_wait("a closed one", epoll);
  int again = new_epoll();
  watch(again, event, EPOLLIN, 3);
  say_wait("another one", again);
  close(again);
  close(event);
  close(outer);
}

/* Opens descriptors until no more can be; how many there were is told by `*count`. */
static int *use_up(int *count) {
  enum { MOST = 4096 };
#ifndef __wasi__
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = 256;
  setrlimit(RLIMIT_NOFILE, &limit);
#endif
  int *fds = malloc(MOST * sizeof *fds);
  *count = 0;
  while (*count < MOST && (fds[*count] = eventfd(0, EFD_CLOEXEC)) >= 0) ++*count;
  say("no more", -1);
  return fds;
}

static void give_back(int *fds, int count) {
  for (int i = 0; i < count; i++) close(fds[i]);
  free(fds);
}

static void full_table(void) {
  int count;
  int ends[2];
  int *fds = use_up(&count);
  say("epoll_create1", epoll_create1(0));
  say("eventfd", eventfd(0, 0));
  say("timerfd_create", timerfd_create(CLOCK_MONOTONIC, 0));
  say("socket", socket(AF_INET, SOCK_STREAM, 0));
  say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  say("pipe2", pipe2(ends, 0));
  close(fds[--count]);
  say("socketpair, one is free", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  say("pipe2, one is free", pipe2(ends, 0));
  int epoll = say_whether("epoll_create1, one is free", epoll_create1(0));
  close(epoll);
  give_back(fds, count);
}

static void full_table_accept(void) {
  int count;
  int epoll = new_epoll();
  int listener = new_listener(4);
  int client = new_client(listener);
  settle(listener, EPOLLIN);
  settle(client, EPOLLOUT);
  watch(epoll, listener, EPOLLIN, 1);
  int *fds = use_up(&count);
  for (int i = 0; i < 3; i++) {
    say_wait("it waits", epoll);
    say("accept", accept4(listener, NULL, NULL, SOCK_NONBLOCK));
  }
  close(fds[--count]);
  int fd = say_whether("accept with the reserve", accept4(listener, NULL, NULL, SOCK_NONBLOCK));
  close(fd);
  say_wait("nobody waits", epoll);
  give_back(fds, count);
  settle(client, EPOLLRDHUP);
  say_ready("the client", client);
  close(client);
  close(listener);
  close(epoll);
}

static const struct example EXAMPLES[] = {
    {"E1, 9.3: close removes a registration", removed_by_close},
    {"E1, 9.3: another file of the same number is not registered", same_number},
    {"E1: a number that comes again as another kind", number_of_another_kind},
    {"E2: a handler that closes and opens others of its batch", closed_in_a_batch},
    {"E25: DEL works at once", closed_after_del},
    {"9.3: an epoll that closes", closed_epoll},
    {"create03: a full table is EMFILE", full_table},
    {"E16: accept with a full table, and with a reserve", full_table_accept},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

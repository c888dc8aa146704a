/* epoll_wait(2) and epoll_pwait2(2): their arguments, their time, and how much they give. */
#include "observe.h"

#define NOWHERE ((struct epoll_event *)(uintptr_t)-64)

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Volatile, for compilers warn of what they see through. */
static const volatile int WRONG_SIZES[] = {0, -1, INT_MIN, INT_MAX, INT_MAX / 12 + 1};

static void wrong_arguments(void) {
  struct epoll_event events[4];
  int epoll = new_epoll();
  int event = new_event(1);
  watch(epoll, event, EPOLLIN, 1);
  say("epfd -1", epoll_wait(-1, events, 4, 0));
  say("epfd is not open", epoll_wait(1 << 20, events, 4, 0));
  say("epfd is no epoll", epoll_wait(event, events, 4, 0));
  for (int i = 0; i < COUNT(WRONG_SIZES); i++) {
    char what[32];
    snprintf(what, sizeof what, "maxevents %d of the table", i);
    say(what, epoll_wait(epoll, events, WRONG_SIZES[i], 0));
  }
  say("maxevents 0 of what is no epoll", epoll_wait(event, events, 0, 0));
  say("events nowhere", epoll_wait(epoll, NOWHERE, 1, 0));
  say("and the event is still there", epoll_wait(epoll, events, 4, 0));
  close(event);
  close(epoll);
}

static void wrong_timespecs(void) {
  static const struct {
    const char *what;
    struct timespec timeout;
  } rows[] = {
      {"0", {0, 0}},
      {"1 ns", {0, 1}},
      {"999,999,999 ns", {0, 999999999}},
      {"1,000,000,000 ns", {0, 1000000000}},
      {"-1 ns", {0, -1}},
      {"-1 s", {-1, 0}},
      {"1 s and -1 ns", {1, -1}},
      {"the largest", {INT64_MAX, 999999999}},
  };
  struct epoll_event events[4];
  int epoll = new_epoll();
  int event = new_event(1);
  watch(epoll, event, EPOLLIN, 1);
  for (int i = 0; i < COUNT(rows); i++) {
    say(rows[i].what, epoll_pwait2(epoll, events, 4, &rows[i].timeout, NULL));
  }
  say("none", epoll_pwait2(epoll, events, 4, NULL, NULL));
  say("maxevents 0", epoll_pwait2(epoll, events, 0, NULL, NULL));
  say("maxevents 0 and -1 ns", epoll_pwait2(epoll, events, 0, &rows[4].timeout, NULL));
  close(event);
  close(epoll);
}

/* Whether a wait for nothing came back no sooner than it should, and not for ever. */
static void say_waited(const char *what, int result, int64_t waited_ns, int64_t least_ns) {
  say(what, result);
  if (waited_ns < least_ns) printf("too early\n");
  if (waited_ns > least_ns + 2000000000) printf("two seconds too late\n");
}

static void milliseconds(void) {
  static const int timeouts[] = {0, 1, 2, 5, 10, 50};
  struct epoll_event event;
  int epoll = new_epoll();
  for (int i = 0; i < COUNT(timeouts); i++) {
    char what[24];
    snprintf(what, sizeof what, "%d ms", timeouts[i]);
    int64_t start = now_ns();
    int n = epoll_wait(epoll, &event, 1, timeouts[i]);
    say_waited(what, n, now_ns() - start, (int64_t)timeouts[i] * 1000000);
  }
  close(epoll);
}

static void nanoseconds(void) {
  struct epoll_event event;
  int epoll = new_epoll();
  for (int64_t ns = 1; ns <= 100000000; ns *= 10) {
    struct timespec timeout = {.tv_sec = 0, .tv_nsec = (long)ns};
    char what[32];
    snprintf(what, sizeof what, "%lld ns", (long long)ns);
    int64_t start = now_ns();
    int n = epoll_pwait2(epoll, &event, 1, &timeout, NULL);
    say_waited(what, n, now_ns() - start, ns);
  }
  close(epoll);
}

static int timer_in(int ms) {
  struct itimerspec when = {.it_value = {.tv_sec = 0, .tv_nsec = ms * 1000000L}};
  int fd = need("timerfd_create", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  need("timerfd_settime", timerfd_settime(fd, 0, &when, NULL));
  return fd;
}

static void for_ever(void) {
  static const int timeouts[] = {-1, -2, INT_MIN, INT_MAX};
  struct epoll_event event;
  for (int i = 0; i < COUNT(timeouts); i++) {
    int epoll = new_epoll();
    int timer = timer_in(5);
    watch(epoll, timer, EPOLLIN, 1);
    char what[32];
    snprintf(what, sizeof what, "timeout %d of the table", i);
    say(what, epoll_wait(epoll, &event, 1, timeouts[i]));
    close(timer);
    close(epoll);
  }
  int epoll = new_epoll();
  int timer = timer_in(5);
  watch(epoll, timer, EPOLLIN, 1);
  say("no timespec", epoll_pwait2(epoll, &event, 1, NULL, NULL));
  close(timer);
  close(epoll);
}

static void quiet_ones(void) {
  enum { READY = 13, QUIET = 5 };
  struct epoll_event events[3];
  int epoll = new_epoll();
  int fds[READY + QUIET];
  int times[READY + QUIET] = {0};
  for (int i = 0; i < READY + QUIET; i++) {
    fds[i] = new_event(i < READY);
    watch(epoll, fds[i], EPOLLIN | EPOLLET, (uint64_t)i);
  }
  for (int round = 0; round < 6; round++) {
    int n = epoll_wait(epoll, events, 3, 0);
    say("at once", n);
    for (int i = 0; i < n; i++) times[events[i].data.u64]++;
  }
  for (int i = 0; i < READY + QUIET; i++) printf("descriptor %d: %d times\n", i, times[i]);
  for (int i = 0; i < READY + QUIET; i++) close(fds[i]);
  close(epoll);
}

static void turns(int descriptors, int maxevents, int rounds) {
  struct epoll_event events[16];
  int epoll = new_epoll();
  int fds[16];
  int times[16] = {0};
  for (int i = 0; i < descriptors; i++) {
    fds[i] = new_event(1);
    watch(epoll, fds[i], EPOLLIN, (uint64_t)i);
  }
  for (int round = 0; round < rounds; round++) {
    int n = epoll_wait(epoll, events, maxevents, 0);
    if (round < descriptors) printf("round %d:", round);
    for (int i = 0; i < n; i++) {
      if (round < descriptors) printf(" %d", (int)events[i].data.u64);
      times[events[i].data.u64]++;
    }
    if (round < descriptors) printf("\n");
  }
  for (int i = 0; i < descriptors; i++) {
    printf("descriptor %d: %d times\n", i, times[i]);
    close(fds[i]);
  }
  close(epoll);
}

static void fairness_of_thirteen(void) { turns(13, 3, 52); }
static void fairness_of_three(void) { turns(3, 1, 300); }

static void several_instances(void) {
  int epolls[4];
  int ends[2];
  new_pair(SOCK_STREAM, ends);
  for (int i = 0; i < 4; i++) {
    epolls[i] = new_epoll();
    watch(epolls[i], ends[0], EPOLLIN | (i & 1 ? EPOLLET : 0), (uint64_t)i);
  }
  send_text(ends[1], "x");
  for (int i = 0; i < 4; i++) say_wait("each hears of it", epolls[i]);
  for (int i = 0; i < 4; i++) say_wait("level-triggered ones again", epolls[i]);
  for (int i = 0; i < 4; i++) close(epolls[i]);
  close_both(ends);
}

static void grown_memory(void) {
  enum { DESCRIPTORS = 200, GROWN_BYTES = 8 << 20 };
  int fds[DESCRIPTORS];
  int epoll = new_epoll();
  for (int i = 0; i < DESCRIPTORS; i++) {
    fds[i] = new_event(1);
    watch(epoll, fds[i], EPOLLIN, (uint64_t)i);
  }
  char *grown = malloc(GROWN_BYTES);
  struct epoll_event *events = (void *)(grown + GROWN_BYTES - DESCRIPTORS * sizeof *events);
  int n = epoll_wait(epoll, events, DESCRIPTORS, 0);
  int right = 0;
  for (int i = 0; i < n; i++) right += events[i].data.u64 == (uint64_t)i;
  say("events", n);
  say("in order", right);
  free(grown);
  for (int i = 0; i < DESCRIPTORS; i++) close(fds[i]);
  close(epoll);
}

static void polled_for_ever(void) {
  enum { ROUNDS = 2000 };
  int epoll = new_epoll();
  int event = new_event(1);
  struct epoll_event events[1];
  int seen = 0;
  watch(epoll, event, EPOLLIN, 1);
  for (int i = 0; i < ROUNDS; i++) seen += epoll_wait(epoll, events, 1, 0);
  say("seen", seen);
  close(event);
  close(epoll);
}

static const struct example EXAMPLES[] = {
    {"E12, wait03: every wrong argument of epoll_wait has its errno", wrong_arguments},
    {"E12, pwait03 to pwait05: which timespecs are EINVAL", wrong_timespecs},
    {"E12, wait02 and wait04: milliseconds are never short", milliseconds},
    {"E12, pwait06: tiny timeouts are neither short nor for ever", nanoseconds},
    {"E12: every negative timeout is for ever, and so are large ones", for_ever},
    {"wait13: 13 ready and 5 quiet descriptors, 3 at a time", quiet_ones},
    {"wait14, E23: 13 ready descriptors have their turn", fairness_of_thirteen},
    {"E23: with maxevents 1, three ready descriptors alternate", fairness_of_three},
    {"wait15: one descriptor in four instances", several_instances},
    {"E28: events go to memory that has just grown", grown_memory},
    {"E27, row 65: a wait of no time always sees what is always ready", polled_for_ever},
};

int main(void) { return run_examples(EXAMPLES, COUNT(EXAMPLES)); }

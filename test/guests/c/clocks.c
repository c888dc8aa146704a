// Clocks and sleeping, as facts that do not hang on how long anything takes.
#include "say.h"

#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND 1000000LL
#define SECOND 1000000000LL
// Nothing here sleeps for longer than this, however busy the machine is.
#define LONG (10 * SECOND)

static long long nanoseconds(struct timespec time) { return time.tv_sec * SECOND + time.tv_nsec; }

static struct timespec timespec_of(long long time) {
  return (struct timespec){.tv_sec = time / SECOND, .tv_nsec = (long)(time % SECOND)};
}

static long long now(clockid_t clock) {
  struct timespec time = {0};
  need("clock_gettime", clock_gettime(clock, &time));
  return nanoseconds(time);
}

static void about(const char *name, clockid_t clock) {
  struct timespec resolution = {0};
  struct timespec time = {0};
  int back = 0;
  printf("%s:\n", name);
  say("clock_getres", clock_getres(clock, &resolution));
  fact("from 1 ns to 10 ms", nanoseconds(resolution) >= 1 && resolution.tv_nsec <= 10000000);
  say("clock_gettime", clock_gettime(clock, &time));
  fact("nanoseconds are less than a second", time.tv_nsec >= 0 && time.tv_nsec < SECOND);
  for (int i = 0; i < 2000; i++) {
    struct timespec next = {0};
    need("clock_gettime", clock_gettime(clock, &next));
    back += nanoseconds(next) < nanoseconds(time);
    time = next;
  }
  // That of the day can be set back while this runs.
  fact("never goes back", clock == CLOCK_REALTIME || back == 0);
}

static void working(const char *name, clockid_t clock) {
  long long before = now(clock);
  long long deadline = now(CLOCK_MONOTONIC) + LONG;
  while (now(clock) == before && now(CLOCK_MONOTONIC) < deadline) continue;
  printf("%s ", name);
  fact("goes on while it works", now(clock) > before);
}

static void the_day(void) {
  struct timeval day = {0};
  time_t seconds = time(NULL);
  time_t stored = 0;
  long long real = now(CLOCK_REALTIME);
  say("gettimeofday", gettimeofday(&day, NULL));
  fact("after 2024", seconds > 1704067200);
  fact("time is CLOCK_REALTIME", real / SECOND - seconds >= 0 && real / SECOND - seconds < 10);
  fact("gettimeofday is", day.tv_sec * SECOND + day.tv_usec * 1000 >= real / 1000 * 1000);
  fact("time stores what it returns", time(&stored) == stored);
  struct tm *parts = gmtime(&seconds);
  fact("gmtime", parts != NULL && parts->tm_year >= 124 && timegm(parts) == seconds);
}

static void slept(const char *what, int result, long long since, long long atleast) {
  long long elapsed = now(CLOCK_MONOTONIC) - since;
  printf("%s: %s, long enough %d, not too long %d\n", what, name_of(result), elapsed >= atleast,
         elapsed < atleast + LONG);
}

static void sleeping(void) {
  struct timespec request = {.tv_nsec = 5 * MILLISECOND};
  struct timespec wrong = {.tv_nsec = SECOND};
  struct timespec none = {0};
  long long begin = now(CLOCK_MONOTONIC);
  slept("nanosleep", nanosleep(&request, NULL), begin, 5 * MILLISECOND);
  begin = now(CLOCK_MONOTONIC);
  slept("nanosleep of nothing", nanosleep(&none, NULL), begin, 0);
  say("nanosleep of too many nanoseconds", nanosleep(&wrong, NULL));
  begin = now(CLOCK_MONOTONIC);
  slept("usleep", usleep(3000), begin, 3 * MILLISECOND);
  begin = now(CLOCK_MONOTONIC);
  slept("usleep of 1", usleep(1), begin, 1000);
  begin = now(CLOCK_MONOTONIC);
  slept("sleep of nothing", (int)sleep(0), begin, 0);
}

static void sleeping_by(const char *name, clockid_t clock) {
  struct timespec request = {.tv_nsec = 4 * MILLISECOND};
  struct timespec past = {.tv_sec = 1};
  struct timespec wrong = {.tv_nsec = -1};
  printf("%s:\n", name);
  long long begin = now(CLOCK_MONOTONIC);
  slept("relative", clock_nanosleep(clock, 0, &request, NULL), begin, 4 * MILLISECOND);
  long long target = now(clock) + 4 * MILLISECOND;
  begin = now(CLOCK_MONOTONIC);
  request = timespec_of(target);
  slept("absolute", clock_nanosleep(clock, TIMER_ABSTIME, &request, NULL), begin, 0);
  fact("until then", now(clock) >= target);
  begin = now(CLOCK_MONOTONIC);
  slept("in the past", clock_nanosleep(clock, TIMER_ABSTIME, &past, NULL), begin, 0);
  printf("wrong: %s\n", name_of(clock_nanosleep(clock, 0, &wrong, NULL)));
}

int main(void) {
  about("CLOCK_REALTIME", CLOCK_REALTIME);
  about("CLOCK_MONOTONIC", CLOCK_MONOTONIC);
  about("CLOCK_PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID);
  about("CLOCK_THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID);
  working("CLOCK_PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID);
  working("CLOCK_THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID);
  the_day();
  sleeping();
  sleeping_by("CLOCK_MONOTONIC", CLOCK_MONOTONIC);
  sleeping_by("CLOCK_REALTIME", CLOCK_REALTIME);
}

// timerfd_create(2), with Linux's names and values.
#ifndef SANDPOLL_SYS_TIMERFD_H
#define SANDPOLL_SYS_TIMERFD_H

#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFD_NONBLOCK 0x800
#define TFD_CLOEXEC 0x80000
#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2

// wasi-libc's clocks are addresses; this one it lacks. Only timerfd_create takes it.
#ifndef CLOCK_BOOTTIME
extern const struct __clockid _CLOCK_BOOTTIME;
#define CLOCK_BOOTTIME (&_CLOCK_BOOTTIME)
#endif

int timerfd_create(clockid_t clock, int flags);
int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old);
int timerfd_gettime(int fd, struct itimerspec *current);

#ifdef __cplusplus
}
#endif

#endif

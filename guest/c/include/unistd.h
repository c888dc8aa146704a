// wasi-libc's, and what it lacks of pipe(2).
#ifndef SANDPOLL_UNISTD_H
#define SANDPOLL_UNISTD_H

#include_next <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

int pipe(int fds[2]);
int pipe2(int fds[2], int flags);

#ifdef __cplusplus
}
#endif

#endif

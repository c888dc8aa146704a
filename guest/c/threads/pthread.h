// The part of pthreads(7) that `threads.c` has. There is no threaded libc for WebAssembly in
// Debian; programs that need more of one are built with wasi-sdk, and run all the same.
#ifndef SANDPOLL_PTHREAD_H
#define SANDPOLL_PTHREAD_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// The types are wasi-libc's own. Attributes are not provided: pass NULL.
#define PTHREAD_MUTEX_INITIALIZER {{{0}}}
#define PTHREAD_COND_INITIALIZER {{{0}}}

// EAGAIN beyond 16 threads at a time, or the host's limit. Each has 64 KiB of stack.
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                   void *arg);
int pthread_join(pthread_t thread, void **result);

int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int pthread_cond_signal(pthread_cond_t *cond);
int pthread_cond_broadcast(pthread_cond_t *cond);

#ifdef __cplusplus
}
#endif

#endif

// pthreads of guest/c/threads: threads that are joined, count under a mutex, wait for a condition,
// and have an errno each. Exits with 0; what is wrong has a status of its own.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 6
#define ROUNDS 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned count;
static unsigned arrived;
static int open_gate;

static void check(int good, int status) {
  if (!good) exit(status);
}

static void *run(void *arg) {
  // A stack of its own: 16 KiB of it are used.
  volatile char room[16384];
  room[0] = room[sizeof room - 1] = 1;
  pthread_mutex_lock(&lock);
  arrived++;
  pthread_cond_broadcast(&changed);
  while (!open_gate) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  errno = (int)(uintptr_t)arg;
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&lock);
    count++;
    pthread_mutex_unlock(&lock);
  }
  check(errno == (int)(uintptr_t)arg, 10);
  return (void *)((uintptr_t)arg * 2);
}

int main(void) {
  for (int round = 0; round < 3; round++) {
    pthread_t threads[THREADS];
    count = arrived = 0;
    open_gate = 0;
    errno = EBADF;
    for (uintptr_t i = 0; i < THREADS; i++)
      check(pthread_create(&threads[i], NULL, run, (void *)(i + 1)) == 0, 11);
    pthread_mutex_lock(&lock);
    while (arrived < THREADS) pthread_cond_wait(&changed, &lock);
    open_gate = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (uintptr_t i = 0; i < THREADS; i++) {
      void *result = NULL;
      check(pthread_join(threads[i], &result) == 0 && result == (void *)((i + 1) * 2), 12);
    }
    check(count == THREADS * ROUNDS, 13);
    check(errno == EBADF, 14);
  }
  return 0;
}

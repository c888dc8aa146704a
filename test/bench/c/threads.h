// How often a C server runs: once, or built with -DTHREADS=N in as many threads, each with a
// listener of its own on the one port (SO_REUSEPORT), and with all that is PER_THREAD.
#pragma once
#include "common.h"

#ifdef THREADS
#include <pthread.h>

#define PER_THREAD _Thread_local

struct share {
  void (*serve)(int listener);
  int listener;
};

static inline void *serve_share(void *argument) {
  struct share *share = argument;
  share->serve(share->listener);
  return NULL;
}

// Runs `serve`, which does not return, with its own listener in each thread.
static inline void serve_all(void (*serve)(int listener), uint16_t port) {
  static struct share shares[THREADS];
  int listeners[THREADS];
  for (int i = 0; i < THREADS; i++) listeners[i] = listen_shared(&port);
  fprintf(stderr, "listening on tcp://127.0.0.1:%d\n", port);
  pthread_t thread;
  for (int i = 0; i < THREADS; i++) {
    shares[i] = (struct share){.serve = serve, .listener = listeners[i]};
    errno = pthread_create(&thread, NULL, serve_share, &shares[i]);
    if (errno != 0) die("pthread_create");
  }
  pthread_join(thread, NULL);
}
#else
#define PER_THREAD

static inline void serve_all(void (*serve)(int listener), uint16_t port) {
  serve(listen_loopback(port));
}
#endif

/**
 * Swaps names as fast as it can, until SIGTERM:
 *   swapping [x ONE OTHER | m FROM TO]...
 * `x` exchanges two names, `m` moves one there and back. Then prints how often it went round.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static volatile sig_atomic_t is_over = 0;

static void end(int signal_number) {
  (void)signal_number;
  is_over = 1;
}

static int swap(char** triple, int is_back) {
  if (triple[0][0] == 'x') {
    return renameat2(AT_FDCWD, triple[1], AT_FDCWD, triple[2], RENAME_EXCHANGE);
  }
  return rename(triple[is_back ? 2 : 1], triple[is_back ? 1 : 2]);
}

int main(int argc, char** argv) {
  signal(SIGTERM, end);
  long rounds = 0;
  for (; !is_over; rounds++) {
    for (int at = 1; at + 2 < argc; at += 3) {
      if (swap(argv + at, rounds % 2 == 1) != 0) {
        perror(argv[at + 1]);
        return 1;
      }
    }
  }
  printf("%ld\n", rounds);
  return 0;
}

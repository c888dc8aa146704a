// meter PID: for each byte on stdin, a line with the CPU time of all threads of a process, in ns,
// once the process has come to rest.
#include "settled.h"

int main(int argc, char **argv) {
  clockid_t clock;
  if (argc != 2 || clock_getcpuclockid(atoi(argv[1]), &clock) != 0) {
    fprintf(stderr, "usage: meter PID\n");
    return 2;
  }
  char asked;
  while (read(STDIN_FILENO, &asked, 1) == 1) {
    printf("%llu\n", (unsigned long long)settled_cpu_ns(clock));
    fflush(stdout);
  }
}

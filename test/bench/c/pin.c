// pin CPU[,CPU]|- PROGRAM [ARGUMENT...]: runs a program on cores (- is any), with every file it may
// open, and ends it when the driver that started it ends, however that happens.
#include "common.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: pin CPU[,CPU]|- PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  if (strcmp(argv[1], "-") != 0) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (char *core = strtok(argv[1], ","); core; core = strtok(NULL, ",")) {
      CPU_SET(atoi(core), &cores);
    }
    if (sched_setaffinity(0, sizeof cores, &cores) < 0) die("sched_setaffinity");
  }
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) die("prctl");
  raise_nofile();
  execvp(argv[2], argv + 2);
  die(argv[2]);
}

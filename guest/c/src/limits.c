// getrlimit(2) and getrusage(2).
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "imports.h"

#define FILES_SOFT 1024
#define FILES_HARD 65536

static struct rlimit files = {FILES_SOFT, FILES_HARD};

int getrlimit(int resource, struct rlimit *limit) {
  if (resource < 0 || resource >= RLIM_NLIMITS) return status(EINVAL);
  *limit = resource == RLIMIT_NOFILE ? files : (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
  return 0;
}

int setrlimit(int resource, const struct rlimit *limit) {
  if (resource < 0 || resource >= RLIM_NLIMITS) return status(EINVAL);
  if (limit->rlim_cur > limit->rlim_max) return status(EINVAL);
  if (resource != RLIMIT_NOFILE) return 0;
  if (limit->rlim_max > files.rlim_max) return status(EPERM);
  files = *limit;
  return 0;
}

int getrusage(int who, struct rusage *usage) {
  if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD) return status(EINVAL);
  memset(usage, 0, sizeof *usage);
  if (who == RUSAGE_CHILDREN) return 0;
  struct timespec used;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0) return -1;
  usage->ru_utime = (struct timeval){used.tv_sec, used.tv_nsec / 1000};
  return 0;
}

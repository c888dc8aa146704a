/*
 * For programs that are run twice, natively and as guests, in twin directories: each line they
 * print is a fact, and must be the same. So none has a number that is by chance.
 */
#ifndef SAY_H
#define SAY_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#define NAMED(error) {error, #error}
static const struct {
  int error;
  const char *name;
} ERRNO_NAMES[] = {
    NAMED(EACCES),  NAMED(EAGAIN),       NAMED(EBADF),   NAMED(EBUSY),   NAMED(EEXIST),
    NAMED(EFBIG),   NAMED(EILSEQ),       NAMED(EINTR),   NAMED(EINVAL),  NAMED(EIO),
    NAMED(EISDIR),  NAMED(ELOOP),        NAMED(EMFILE),  NAMED(EMLINK),  NAMED(ENAMETOOLONG),
    NAMED(ENOENT),  NAMED(ENOSPC),       NAMED(ENOSYS),  NAMED(ENOTDIR), NAMED(ENOTEMPTY),
    NAMED(ENOTSUP), NAMED(ENOTTY),       NAMED(ENXIO),   NAMED(EOVERFLOW), NAMED(EPERM),
    NAMED(EPIPE),   NAMED(EROFS),        NAMED(ESPIPE),  NAMED(ETXTBSY), NAMED(EXDEV),
#ifdef __wasi__
    NAMED(ENOTCAPABLE),
#endif
};

/* An errno by its name: the numbers of a guest are WASI's. */
static inline const char *name_of(int error) {
  for (int i = 0; i < COUNT(ERRNO_NAMES); i++) {
    if (ERRNO_NAMES[i].error == error) return ERRNO_NAMES[i].name;
  }
  return error == 0 ? "ok" : "another errno";
}

/* What a call came to in one word: its errno, or ok. */
static inline const char *outcome(long long result) {
  return result < 0 ? name_of(errno) : "ok";
}

static inline long long say(const char *what, long long result) {
  if (result < 0) printf("%s: %s\n", what, name_of(errno));
  else printf("%s: %lld\n", what, result);
  return result;
}

/* For what must succeed and gives a number that is nobody's business. */
static inline int need(const char *what, int result) {
  if (result < 0) printf("broken: %s: %s\n", what, name_of(errno));
  return result;
}

static inline void fact(const char *what, int holds) {
  printf("%s: %s\n", what, holds ? "yes" : "no");
}

#endif

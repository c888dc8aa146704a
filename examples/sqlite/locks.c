// WASI has no file locks, so SQLite here takes a lock by making a directory, DATABASE.lock. Having
// it, SQLite 3.46 asks whether somebody else has locked the database, finds its own lock, and then
// never rolls back what a program that was ended has left half done. The answer must be: nobody.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sqlite3.h"

#define SUFFIX ".lock"

static int is_lock(const char *path) {
  size_t length = strlen(path);
  size_t end = strlen(SUFFIX);
  return length > end && strcmp(path + length - end, SUFFIX) == 0;
}

// SQLite asks for a lock's existence when it has that lock, and never else.
static int access_but_locks(const char *path, int mode) {
  if (mode != F_OK || !is_lock(path)) return access(path, mode);
  errno = ENOENT;
  return -1;
}

// SQLITE_EXTRA_INIT: called when SQLite has been set up.
int trust_own_locks(const char *unused) {
  (void)unused;
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  return vfs->xSetSystemCall(vfs, "access", (sqlite3_syscall_ptr)access_but_locks);
}

/*
 * Runs every test of the suite: `suite [PREOPEN [READ-ONLY]]`, by their names; "/" unless said.
 * Wasmtime's tests open their directory with no rights, the others with all that there are: with a
 * read-only directory it is as there, else as here.
 */
#include "suite.h"

#include <stdio.h>

__wasi_fd_t preopen = -1;
__wasi_fd_t read_only = -1;
const char *preopen_name;

static const char *const ERRNO_NAMES[] = {
    "SUCCESS",     "2BIG",      "ACCES",          "ADDRINUSE",      "ADDRNOTAVAIL", "AFNOSUPPORT",
    "AGAIN",       "ALREADY",   "BADF",           "BADMSG",         "BUSY",         "CANCELED",
    "CHILD",       "CONNABORTED", "CONNREFUSED",  "CONNRESET",      "DEADLK",       "DESTADDRREQ",
    "DOM",         "DQUOT",     "EXIST",          "FAULT",          "FBIG",         "HOSTUNREACH",
    "IDRM",        "ILSEQ",     "INPROGRESS",     "INTR",           "INVAL",        "IO",
    "ISCONN",      "ISDIR",     "LOOP",           "MFILE",          "MLINK",        "MSGSIZE",
    "MULTIHOP",    "NAMETOOLONG", "NETDOWN",      "NETRESET",       "NETUNREACH",   "NFILE",
    "NOBUFS",      "NODEV",     "NOENT",          "NOEXEC",         "NOLCK",        "NOLINK",
    "NOMEM",       "NOMSG",     "NOPROTOOPT",     "NOSPC",          "NOSYS",        "NOTCONN",
    "NOTDIR",      "NOTEMPTY",  "NOTRECOVERABLE", "NOTSOCK",        "NOTSUP",       "NOTTY",
    "NXIO",        "OVERFLOW",  "OWNERDEAD",      "PERM",           "PIPE",         "PROTO",
    "PROTONOSUPPORT", "PROTOTYPE", "RANGE",       "ROFS",           "SPIPE",        "SRCH",
    "STALE",       "TIMEDOUT",  "TXTBSY",         "XDEV",           "NOTCAPABLE",
};

static char problems[2000];

static const char *name_of(__wasi_errno_t error) {
  return error < COUNT(ERRNO_NAMES) ? ERRNO_NAMES[error] : "no errno";
}

static void tell(const char *text) {
  size_t used = strlen(problems);
  snprintf(problems + used, sizeof problems - used, "%s%s", used > 0 ? "; " : "", text);
}

void want(__wasi_errno_t got, __wasi_errno_t wanted, const char *call) {
  char text[300];
  if (got == wanted) return;
  snprintf(text, sizeof text, "%s is %s, not %s", call, name_of(got), name_of(wanted));
  tell(text);
}

void holds(int condition, const char *what) {
  char text[300];
  if (condition) return;
  snprintf(text, sizeof text, "%s does not hold", what);
  tell(text);
}

__wasi_fd_t opened(__wasi_fd_t dir, const char *path, int oflags, __wasi_rights_t rights) {
  __wasi_fd_t fd = -1;
  want(__wasi_path_open(dir, 0, path, oflags, rights, 0, 0, &fd), __WASI_ERRNO_SUCCESS, path);
  return fd;
}

__wasi_errno_t try_open(__wasi_fd_t dir, int lookup, const char *path, int oflags,
                        __wasi_rights_t rights) {
  __wasi_fd_t fd = -1;
  __wasi_errno_t error = __wasi_path_open(dir, lookup, path, oflags, rights, 0, 0, &fd);
  return error != 0 ? error : __wasi_fd_close(fd);
}

void make_file(__wasi_fd_t dir, const char *path) { OK(try_open(dir, 0, path, CREAT, 0)); }

void make_directory(__wasi_fd_t dir, const char *path) {
  OK(__wasi_path_create_directory(dir, path));
}

void unlink_file(__wasi_fd_t dir, const char *path) { OK(__wasi_path_unlink_file(dir, path)); }

void remove_directory(__wasi_fd_t dir, const char *path) {
  OK(__wasi_path_remove_directory(dir, path));
}

void close_fd(__wasi_fd_t fd) { OK(__wasi_fd_close(fd)); }

__wasi_fdstat_t fdstat(__wasi_fd_t fd) {
  __wasi_fdstat_t stat = {0};
  OK(__wasi_fd_fdstat_get(fd, &stat));
  return stat;
}

__wasi_filestat_t filestat(__wasi_fd_t fd) {
  __wasi_filestat_t stat = {0};
  OK(__wasi_fd_filestat_get(fd, &stat));
  return stat;
}

__wasi_filestat_t path_filestat(__wasi_fd_t dir, int lookup, const char *path) {
  __wasi_filestat_t stat = {0};
  OK(__wasi_path_filestat_get(dir, lookup, path, &stat));
  return stat;
}

uint64_t seek(__wasi_fd_t fd, int64_t offset, int whence) {
  uint64_t position = UINT64_MAX;
  OK(__wasi_fd_seek(fd, offset, whence, &position));
  return position;
}

__wasi_errno_t read_bytes(__wasi_fd_t fd, void *bytes, size_t length, size_t *size) {
  __wasi_iovec_t iov = {.buf = bytes, .buf_len = length};
  return __wasi_fd_read(fd, &iov, 1, size);
}

__wasi_errno_t write_bytes(__wasi_fd_t fd, const void *bytes, size_t length, size_t *size) {
  __wasi_ciovec_t iov = {.buf = bytes, .buf_len = length};
  return __wasi_fd_write(fd, &iov, 1, size);
}

__wasi_errno_t pread_bytes(__wasi_fd_t fd, void *bytes, size_t length, uint64_t at, size_t *size) {
  __wasi_iovec_t iov = {.buf = bytes, .buf_len = length};
  return __wasi_fd_pread(fd, &iov, 1, at, size);
}

__wasi_errno_t pwrite_bytes(__wasi_fd_t fd, const void *bytes, size_t length, uint64_t at,
                            size_t *size) {
  __wasi_ciovec_t iov = {.buf = bytes, .buf_len = length};
  return __wasi_fd_pwrite(fd, &iov, 1, at, size);
}

void write_text(__wasi_fd_t fd, const char *text) {
  size_t size = 0;
  OK(write_bytes(fd, text, strlen(text), &size));
  HOLDS(size == strlen(text));
}

int reads_text(__wasi_fd_t fd, const char *text) {
  char bytes[256];
  size_t length = 0;
  size_t size = 0;
  do {
    if (read_bytes(fd, bytes + length, sizeof bytes - length, &size) != 0) return 0;
    length += size;
  } while (size > 0 && length < sizeof bytes);
  return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

// Opens a directory with all the rights that the one it is in says it has.
static __wasi_fd_t open_with_rights(__wasi_fd_t dir, const char *path) {
  __wasi_fdstat_t stat = fdstat(dir);
  __wasi_rights_t base = stat.fs_rights_base;
  __wasi_fd_t fd = -1;
  OK(__wasi_path_open(dir, 0, path, DIRECTORY, base, stat.fs_rights_inheriting, 0, &fd));
  return fd;
}

static __wasi_fd_t find(const char *wanted) {
  __wasi_prestat_t prestat;
  for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &prestat) == 0; fd++) {
    char name[256] = "";
    size_t length = prestat.u.dir.pr_name_len;
    if (length != strlen(wanted)) continue;
    OK(__wasi_fd_prestat_dir_name(fd, (uint8_t *)name, length));
    if (strcmp(name, wanted) == 0) return fd;
  }
  return -1;
}

static int run(const struct test *test, __wasi_fd_t root) {
  char folder[100];
  snprintf(folder, sizeof folder, "%s.cleanup", test->name);
  make_directory(root, folder);
  int all = read_only < 0;
  __wasi_fd_t dir = all ? open_with_rights(root, folder) : opened(root, folder, DIRECTORY, 0);
  test->run(dir);
  close_fd(dir);
  int passed = problems[0] == 0;
  if (passed) printf("ok %s\n", test->name);
  else printf("not ok %s: %s\n", test->name, problems);
  // Some tests change what standard output is for a while.
  fflush(stdout);
  problems[0] = 0;
  return passed;
}

int main(int argc, char **argv) {
  static const struct tests *const ALL[] = {
      &OPENING, &CONTENTS, &TIMES, &DIRECTORIES, &RENAMING, &LINKS, &OTHERS, &DESCRIPTORS,
  };
  preopen_name = argc > 1 ? argv[1] : "/";
  preopen = find(preopen_name);
  if (argc > 2) read_only = find(argv[2]);
  __wasi_fd_t root = open_with_rights(preopen, ".");
  if (problems[0] != 0) return puts(problems), 1;
  int failed = 0;
  for (int i = 0; i < COUNT(ALL); i++) {
    for (int j = 0; j < ALL[i]->count; j++) failed += !run(&ALL[i]->list[j], root);
  }
  return failed > 0;
}

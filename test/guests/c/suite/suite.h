/*
 * What the public test suites of preview1 (wasi-testsuite, and wasmtime's and uvwasi's own) ask of
 * a host's files, in our words and under their names, with the one answer that Sandpoll chose
 * where several will do. Each is run in a directory of its own, and must find it empty.
 */
#ifndef SUITE_H
#define SUITE_H

#include <stdint.h>
#include <string.h>
#include <wasi/api.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct test {
  const char *name;
  void (*run)(__wasi_fd_t dir);
};

struct tests {
  const struct test *list;
  int count;
};

extern const struct tests OPENING, CONTENTS, TIMES, DIRECTORIES, RENAMING, LINKS, OTHERS,
    DESCRIPTORS;

/* The preopened directory that all happens in, and the read-only one; −1 where there is none. */
extern __wasi_fd_t preopen, read_only;
/* The name by which `preopen` was asked for. */
extern const char *preopen_name;

#define RIGHT(name) __WASI_RIGHTS_##name
#define READ RIGHT(FD_READ)
#define WRITE RIGHT(FD_WRITE)
#define CREAT __WASI_OFLAGS_CREAT
#define DIRECTORY __WASI_OFLAGS_DIRECTORY
#define EXCL __WASI_OFLAGS_EXCL
#define TRUNC __WASI_OFLAGS_TRUNC
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW
#define FLAG(name) __WASI_FDFLAGS_##name
#define TYPE(name) __WASI_FILETYPE_##name

/* Remembers, as what is wrong with the test that runs, that a call did not answer as it must. */
void want(__wasi_errno_t got, __wasi_errno_t wanted, const char *call);
void holds(int condition, const char *what);

#define WANT(name, call) want(call, __WASI_ERRNO_##name, #call)
#define OK(call) want(call, __WASI_ERRNO_SUCCESS, #call)
#define HOLDS(condition) holds(condition, #condition)

/* Opens without following a link, and must succeed. */
__wasi_fd_t opened(__wasi_fd_t dir, const char *path, int oflags, __wasi_rights_t rights);
/* Opens and closes what it opened: the errno. */
__wasi_errno_t try_open(__wasi_fd_t dir, int lookup, const char *path, int oflags,
                        __wasi_rights_t rights);
/* Makes an empty file, as the suites do it: with no rights at all. */
void make_file(__wasi_fd_t dir, const char *path);
void make_directory(__wasi_fd_t dir, const char *path);
void unlink_file(__wasi_fd_t dir, const char *path);
void remove_directory(__wasi_fd_t dir, const char *path);
void close_fd(__wasi_fd_t fd);

/* What must succeed, and its result. */
__wasi_fdstat_t fdstat(__wasi_fd_t fd);
__wasi_filestat_t filestat(__wasi_fd_t fd);
__wasi_filestat_t path_filestat(__wasi_fd_t dir, int lookup, const char *path);
uint64_t seek(__wasi_fd_t fd, int64_t offset, int whence);

/* One buffer. */
__wasi_errno_t read_bytes(__wasi_fd_t fd, void *bytes, size_t length, size_t *size);
__wasi_errno_t write_bytes(__wasi_fd_t fd, const void *bytes, size_t length, size_t *size);
__wasi_errno_t pread_bytes(__wasi_fd_t fd, void *bytes, size_t length, uint64_t at, size_t *size);
__wasi_errno_t pwrite_bytes(__wasi_fd_t fd, const void *bytes, size_t length, uint64_t at,
                            size_t *size);
/* All of a text, at once. */
void write_text(__wasi_fd_t fd, const char *text);
/* Reads up to the end: whether it is exactly the text. */
int reads_text(__wasi_fd_t fd, const char *text);

#endif

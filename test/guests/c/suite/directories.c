// fd_readdir, and removing what is in directories.
#include "suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MANY 1000

struct entry {
  __wasi_dirent_t head;
  char name[64];
};

/*
 * The whole entries of one call from `cookie`; at the end of the directory `*ended` is set: only
 * then is the buffer not full.
 */
static int list(__wasi_fd_t dir, uint64_t cookie, struct entry *entries, int *ended) {
  uint8_t bytes[256];
  size_t used = 0;
  int count = 0;
  OK(__wasi_fd_readdir(dir, bytes, sizeof bytes, cookie, &used));
  HOLDS(used <= sizeof bytes);
  *ended = used < sizeof bytes;
  for (size_t at = 0; at + sizeof(__wasi_dirent_t) <= used; count++) {
    struct entry *entry = &entries[count];
    *entry = (struct entry){0};
    memcpy(&entry->head, bytes + at, sizeof entry->head);
    size_t length = entry->head.d_namlen;
    at += sizeof entry->head;
    if (at + length > used || length >= sizeof entry->name) break;
    memcpy(entry->name, bytes + at, length);
    at += length;
  }
  return count;
}

static const struct entry *named(const struct entry *entries, int count, const char *name) {
  for (int i = 0; i < count; i++) {
    if (strcmp(entries[i].name, name) == 0) return &entries[i];
  }
  static const struct entry NONE = {.name = "none"};
  holds(0, name);
  return &NONE;
}

static void dots(__wasi_fd_t dir) {
  struct entry entries[20];
  int ended = 0;
  int count = list(dir, __WASI_DIRCOOKIE_START, entries, &ended);
  HOLDS(count == 2 && ended);
  const struct entry *self = named(entries, count, ".");
  HOLDS(self->head.d_type == TYPE(DIRECTORY) && self->head.d_namlen == 1);
  HOLDS(self->head.d_ino == filestat(dir).ino);
  HOLDS(named(entries, count, "..")->head.d_type == TYPE(DIRECTORY));
}

static void some(__wasi_fd_t dir) {
  struct entry entries[20];
  struct entry again[20];
  int ended = 0;
  make_file(dir, "file");
  make_directory(dir, "nested");
  OK(__wasi_path_symlink("file", dir, "link"));
  int count = list(dir, __WASI_DIRCOOKIE_START, entries, &ended);
  HOLDS(count == 5 && ended);
  const struct entry *file = named(entries, count, "file");
  HOLDS(file->head.d_type == TYPE(REGULAR_FILE));
  HOLDS(file->head.d_ino == path_filestat(dir, 0, "file").ino);
  const struct entry *nested = named(entries, count, "nested");
  HOLDS(nested->head.d_type == TYPE(DIRECTORY));
  HOLDS(nested->head.d_ino == path_filestat(dir, 0, "nested").ino);
  HOLDS(named(entries, count, "link")->head.d_type == TYPE(SYMBOLIC_LINK));
  // From each cookie on come exactly those that came after it.
  for (int i = 0; i < count; i++) {
    int rest = list(dir, entries[i].head.d_next, again, &ended);
    HOLDS(rest == count - i - 1 && ended);
    HOLDS(memcmp(again, entries + i + 1, (size_t)rest * sizeof *again) == 0);
  }
  // A cookie that no entry had is no error. Which entries come after it is for the file system to
  // say (tmpfs counts backwards); none, if it is not even a place.
  list(dir, entries[count - 1].head.d_next + 1, again, &ended);
  list(dir, INT64_MAX, again, &ended);
  HOLDS(list(dir, UINT64_MAX, again, &ended) == 0 && ended);
  unlink_file(dir, "file");
  unlink_file(dir, "link");
  remove_directory(dir, "nested");
}

static void many(__wasi_fd_t dir) {
  static char seen[MANY];
  struct entry entries[20];
  char name[20];
  make_file(dir, "file.0");
  for (int i = 1; i < MANY; i++) {
    snprintf(name, sizeof name, "file.%d", i);
    OK(__wasi_path_link(dir, 0, "file.0", dir, name));
  }
  uint64_t cookie = __WASI_DIRCOOKIE_START;
  int total = 0;
  for (int ended = 0, rounds = 0; !ended && rounds < MANY; rounds++) {
    int count = list(dir, cookie, entries, &ended);
    for (int i = 0; i < count; i++) {
      if (strncmp(entries[i].name, "file.", 5) == 0) seen[atoi(entries[i].name + 5)]++;
    }
    total += count;
    if (count > 0) cookie = entries[count - 1].head.d_next;
  }
  HOLDS(total == MANY + 2);
  HOLDS(memchr(seen, 0, MANY) == NULL && memchr(seen, 2, MANY) == NULL);
}

static void fd_readdir(__wasi_fd_t dir) {
  dots(dir);
  some(dir);
  many(dir);
}

// Buffers of every size that are too small: as much as they hold, down to half a character.
static void unicode_boundary(__wasi_fd_t dir) {
  static const char NAME[] = "\xd0\x96\xe2\x82\xac\xf0\x9f\x98\x80";
  uint8_t bytes[256];
  uint8_t whole[256];
  size_t used = 0;
  size_t total = 0;
  make_file(dir, NAME);
  OK(__wasi_fd_readdir(dir, whole, sizeof whole, 0, &total));
  HOLDS(total == 3 * sizeof(__wasi_dirent_t) + 3 + strlen(NAME));
  for (size_t room = 0; room <= total; room++) {
    OK(__wasi_fd_readdir(dir, bytes, room, 0, &used));
    HOLDS(used == room && memcmp(bytes, whole, used) == 0);
  }
}

// Of what it was opened with only that it is a directory matters.
static void readdir_of_others(__wasi_fd_t dir) {
  struct entry entries[20];
  int ended = 0;
  size_t used = 0;
  uint8_t byte;
  make_directory(dir, "nested");
  __wasi_fd_t nested = opened(dir, "nested", 0, 0);
  HOLDS(list(nested, 0, entries, &ended) == 2 && ended);
  close_fd(nested);
  __wasi_fd_t file = opened(dir, "file", CREAT, READ);
  WANT(NOTDIR, __wasi_fd_readdir(file, &byte, 1, 0, &used));
  close_fd(file);
}

static void fdopendir_with_access(__wasi_fd_t dir) {
  char name[300];
  make_file(dir, "one");
  make_directory(dir, "two");
  // libc finds its own way to the directory.
  snprintf(name, sizeof name, "%s/fdopendir-with-access.cleanup", preopen_name);
  int fd = open(name, O_RDONLY | O_DIRECTORY);
  DIR *stream = fdopendir(fd);
  HOLDS(stream != NULL);
  int count = 0;
  for (struct dirent *each; stream != NULL && (each = readdir(stream)) != NULL; count++) {
    struct stat stat = {0};
    if (strcmp(each->d_name, "..") == 0) continue;
    HOLDS(fstatat(fd, each->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0);
    HOLDS(each->d_ino == stat.st_ino);
  }
  HOLDS(count == 4);
  HOLDS(stream != NULL && closedir(stream) == 0);
}

static void remove_nonempty_directory(__wasi_fd_t dir) {
  make_directory(dir, "dir");
  make_directory(dir, "dir/nested");
  WANT(NOTEMPTY, __wasi_path_remove_directory(dir, "dir"));
  remove_directory(dir, "dir/nested");
  remove_directory(dir, "dir");
}

static void remove_directory_trailing_slashes(__wasi_fd_t dir) {
  make_directory(dir, "dir");
  remove_directory(dir, "dir");
  make_directory(dir, "dir/");
  remove_directory(dir, "dir/");
  make_directory(dir, "dir");
  remove_directory(dir, "dir///");
  WANT(NOENT, __wasi_path_remove_directory(dir, "dir"));
  make_file(dir, "file");
  WANT(NOTDIR, __wasi_path_remove_directory(dir, "file"));
  WANT(NOTDIR, __wasi_path_remove_directory(dir, "file/"));
  WANT(EXIST, __wasi_path_create_directory(dir, "file"));
  OK(__wasi_path_symlink("file", dir, "link"));
  WANT(NOTDIR, __wasi_path_remove_directory(dir, "link"));
  WANT(EXIST, __wasi_path_create_directory(dir, "link"));
}

static void unlink_file_trailing_slashes(__wasi_fd_t dir) {
  make_directory(dir, "dir");
  WANT(ISDIR, __wasi_path_unlink_file(dir, "dir"));
  WANT(ISDIR, __wasi_path_unlink_file(dir, "dir/"));
  make_file(dir, "file");
  WANT(NOTDIR, __wasi_path_unlink_file(dir, "file/"));
  WANT(NOTDIR, __wasi_path_unlink_file(dir, "file///"));
  unlink_file(dir, "file");
  WANT(NOENT, __wasi_path_unlink_file(dir, "file"));
}

static const struct test LIST[] = {
    {"fd_readdir", fd_readdir},
    {"fd_readdir unicode_boundary", unicode_boundary},
    {"fd_readdir of others", readdir_of_others},
    {"fdopendir-with-access", fdopendir_with_access},
    {"remove_nonempty_directory", remove_nonempty_directory},
    {"remove_directory_trailing_slashes", remove_directory_trailing_slashes},
    {"unlink_file_trailing_slashes", unlink_file_trailing_slashes},
};

const struct tests DIRECTORIES = {LIST, COUNT(LIST)};

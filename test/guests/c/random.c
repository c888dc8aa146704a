// Calls on files and directories at random, the same ones for a seed (the one argument): what each
// came to. The names are few, so that most are there, and all kinds of things by turns.
#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define CALLS 2000
#define DESCRIPTORS 8
#define PATH_BYTES 100
// Deeper than any path here leads up: natively, nothing else would keep it in.
#define BASE "z/z/z/z/"
// Times before this one, in seconds, are set here, and not a clock's.
#define EPOCH_SECONDS 1000

static uint64_t state;
static int fds[DESCRIPTORS];
static uint8_t bytes[512];

// Below `bound`, by xorshift.
static int any(int bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (int)((state >> 20) % (uint64_t)bound);
}

// One to three names, not all of which need be there; `..` only if `dots`, and never at the end.
static const char *any_path(char *path, const char *base, int dots) {
  static const char *const NAMES[] = {"a", "b", "c", "d", ".", ".."};
  int count = 1 + any(1 + any(3));
  strcpy(path, base);
  for (int i = 0; i < count; i++) {
    if (i > 0) strcat(path, any(8) == 0 ? "//" : "/");
    strcat(path, NAMES[any(i + 1 == count || !dots ? 4 : 6)]);
  }
  return path;
}

static long long offset_of(void) {
  static const long long ODD[] = {-1, -300, 0, 4095, 4096, 1LL << 33};
  return any(4) == 0 ? ODD[any(COUNT(ODD))] : any(400);
}

static unsigned checksum(long long length) {
  unsigned sum = 0;
  for (int i = 0; i < length; i++) sum = sum * 31 + bytes[i];
  return sum;
}

static void say_status(const struct stat *status) {
  int is_directory = S_ISDIR(status->st_mode);
  printf(" %s", is_directory ? "directory" : S_ISLNK(status->st_mode) ? "link" : "file");
  if (!is_directory) printf(" %d %lld", (int)status->st_nlink, (long long)status->st_size);
  if (status->st_mtim.tv_sec < EPOCH_SECONDS) {
    printf(" %lld.%09ld", (long long)status->st_mtim.tv_sec, (long)status->st_mtim.tv_nsec);
  }
}

static int any_flags(void) {
  static const int FLAGS[] = {O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_CREAT | O_TRUNC, O_APPEND};
  static const int MODES[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};
  int flags = MODES[any(COUNT(MODES))];
  if (any(8) == 0) return O_RDONLY | O_DIRECTORY;
  // What truncating does to a file that is opened to be read, POSIX leaves open.
  if (any(4) > 0 && flags != O_RDONLY) flags |= FLAGS[any(COUNT(FLAGS))];
  return any(5) == 0 ? flags | O_NOFOLLOW : flags;
}

static long long do_open(void) {
  char path[PATH_BYTES];
  struct stat status;
  int at = any(DESCRIPTORS);
  int from = any(DESCRIPTORS);
  // From a directory that is open, where one is.
  int beneath = any(3) == 0 && fstat(fds[from], &status) == 0 && S_ISDIR(status.st_mode);
  int flags = any_flags();
  any_path(path, beneath ? "" : BASE, !beneath);
  if (at == from) at = (at + 1) % DESCRIPTORS;
  if (fds[at] >= 0) close(fds[at]);
  fds[at] = openat(beneath ? fds[from] : AT_FDCWD, path, flags, 0666);
  printf("open %s%s %s%s%s%s%s%s", beneath ? "beneath " : "", path,
         (flags & O_ACCMODE) == O_RDONLY ? "r" : (flags & O_ACCMODE) == O_WRONLY ? "w" : "rw",
         flags & O_CREAT ? " creat" : "", flags & O_EXCL ? " excl" : "",
         flags & O_TRUNC ? " trunc" : "", flags & O_NOFOLLOW ? " nofollow" : "",
         flags & O_DIRECTORY ? " directory" : "");
  if (fds[at] >= 0 && need("fstat", fstat(fds[at], &status)) == 0) say_status(&status);
  return fds[at];
}

static int by_name(const void *one, const void *other) {
  return strcmp(*(char *const *)one, *(char *const *)other);
}

static int list(const char *path) {
  char *names[20];
  int count = 0;
  struct dirent *entry;
  DIR *directory = opendir(path);
  printf("list %s", path);
  if (directory == NULL) return -1;
  while (count < COUNT(names) && (entry = readdir(directory)) != NULL) {
    int type = entry->d_type;
    names[count] = malloc(strlen(entry->d_name) + 3);
    sprintf(names[count++], "%s:%c", entry->d_name,
            type == DT_DIR ? 'd' : type == DT_LNK ? 'l' : 'f');
  }
  closedir(directory);
  qsort(names, (size_t)count, sizeof *names, by_name);
  for (int i = 0; i < count; i++) {
    printf(" %s", names[i]);
    free(names[i]);
  }
  return 0;
}

static long long do_names(int call) {
  char path[PATH_BYTES];
  char other[PATH_BYTES];
  any_path(path, BASE, 1);
  switch (call) {
    case 0:
      printf("mkdir %s", path);
      return mkdir(path, 0777);
    case 1:
      printf("rmdir %s", path);
      return rmdir(path);
    case 2:
      printf("unlink %s", path);
      return unlink(path);
    case 3:
      printf("rename %s %s", path, any_path(other, BASE, 1));
      return rename(path, other);
    case 4:
      // To a plain name: of two that cannot be, it is not said which is found out first.
      snprintf(other, sizeof other, BASE "%c", 'a' + any(4));
      printf("link %s %s", path, other);
      return link(path, other);
    default:
      printf("symlink %s %s", any_path(other, "", 0), path);
      return symlink(other, path);
  }
}

static long long do_looks(int call) {
  char path[PATH_BYTES];
  struct stat status;
  int nofollow = any(2) == 0 ? AT_SYMLINK_NOFOLLOW : 0;
  long long result;
  any_path(path, BASE, 1);
  if (call == 0) return list(path);
  if (call == 1) {
    struct timespec times[2];
    for (int i = 0; i < 2; i++) {
      times[i].tv_sec = any(EPOCH_SECONDS);
      times[i].tv_nsec = any(1000);
    }
    printf("utimensat %s%s", path, nofollow ? " nofollow" : "");
    return utimensat(AT_FDCWD, path, times, nofollow);
  }
  if (call == 2) {
    printf("readlink %s", path);
    result = readlink(path, (char *)bytes, (size_t)(1 + any(20)));
    if (result >= 0) printf(" %.*s", (int)result, (char *)bytes);
    return result;
  }
  printf("stat %s%s", path, nofollow ? " nofollow" : "");
  result = fstatat(AT_FDCWD, path, &status, nofollow);
  if (result == 0) say_status(&status);
  return result;
}

static long long do_file(int call) {
  struct stat status;
  int fd = -1;
  // Of a directory none of these is asked: there WASI's errors are not Linux's.
  for (int tries = 0; tries < DESCRIPTORS; tries++) {
    fd = fds[any(DESCRIPTORS)];
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) break;
    fd = -1;
  }
  size_t length = (size_t)any(sizeof bytes);
  long long offset = offset_of();
  int whence = any(3);
  long long result = 0;
  struct iovec parts[2] = {{bytes, length / 3}, {bytes + length / 3, length - length / 3}};
  memset(bytes, call < 4 ? (int)length : 0, sizeof bytes);
  switch (call) {
    case 0: result = printf("write") ? write(fd, bytes, length) : 0; break;
    case 1: result = printf("writev") ? writev(fd, parts, 2) : 0; break;
    case 2: result = printf("pwrite") ? pwrite(fd, bytes, length, offset) : 0; break;
    case 3: result = printf("pread") ? pread(fd, bytes, length, offset) : 0; break;
    case 4: result = printf("read") ? read(fd, bytes, length) : 0; break;
    case 5: result = printf("readv") ? readv(fd, parts, 2) : 0; break;
    case 6: result = printf("ftruncate") ? ftruncate(fd, offset) : 0; break;
    default: result = printf("lseek") ? lseek(fd, offset, whence) : 0; break;
  }
  printf(" %d %lld", (int)length, offset);
  if (result >= 0) printf(" gives %lld %u", result, call > 2 && call < 6 ? checksum(result) : 0);
  return result;
}

int main(int argc, char **argv) {
  int seed = argc > 1 ? atoi(argv[1]) : 1;
  state = (uint64_t)seed * 0x9E3779B97F4A7C15u + 1;
  for (int i = 0; i < DESCRIPTORS; i++) fds[i] = -1;
  for (size_t length = 2; length <= sizeof BASE - 1; length += 2) {
    char path[] = BASE;
    path[length] = 0;
    need("mkdir", mkdir(path, 0777));
  }
  for (int i = 0; i < CALLS; i++) {
    int kind = any(10);
    printf("%d ", i);
    long long result = kind < 3   ? do_open()
                       : kind < 6 ? do_names(any(6))
                       : kind < 7 ? do_looks(any(4))
                                  : do_file(any(8));
    printf(": %s\n", outcome(result));
  }
  return 0;
}

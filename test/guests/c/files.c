// What is in files: places beyond 4 GiB, appending, modes of access, times, and stdio.
#include "say.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define GIB (1LL << 30)

static int new_file(const char *name, int flags) {
  return need(name, open(name, flags | O_CREAT | O_EXCL, 0644));
}

static long long size_of(int fd) {
  struct stat stat = {0};
  need("fstat", fstat(fd, &stat));
  return stat.st_size;
}

static void say_bytes(const char *what, const char *bytes, long long length) {
  if (length < 0) printf("%s: %s\n", what, name_of(errno));
  else printf("%s: %lld '%.*s'\n", what, length, (int)length, bytes);
}

static void say_read(const char *what, int fd) {
  char bytes[64];
  say_bytes(what, bytes, read(fd, bytes, sizeof bytes));
}

static void beyond_32_bits(void) {
  char bytes[16];
  int fd = new_file("large", O_RDWR);
  say("pwrite at 5 GiB", pwrite(fd, "far", 3, 5 * GIB));
  say("size", size_of(fd));
  say_bytes("pread at 5 GiB", bytes, pread(fd, bytes, sizeof bytes, 5 * GIB));
  say_bytes("pread at its end", bytes, pread(fd, bytes, sizeof bytes, 5 * GIB + 3));
  say("pread in the hole", pread(fd, bytes, sizeof bytes, 5 * GIB - 16));
  fact("the hole is of zeros", memcmp(bytes, (char[16]){0}, 16) == 0);
  say("lseek to 5 GiB", lseek(fd, 5 * GIB + 1, SEEK_SET));
  say_read("read there", fd);
  say("lseek by nothing", lseek(fd, 0, SEEK_CUR));
  say("lseek back by 5 GiB", lseek(fd, -5 * GIB, SEEK_CUR));
  say("lseek from the end", lseek(fd, -3, SEEK_END));
  say("lseek beyond the end", lseek(fd, 3 * GIB, SEEK_END));
  say("write there", write(fd, "farther", 7));
  say("size", size_of(fd));
  say("lseek before the beginning", lseek(fd, -9 * GIB, SEEK_END));
  say("lseek to less than nothing", lseek(fd, -1, SEEK_SET));
  say("lseek from nowhere", lseek(fd, 0, 77));
  say("lseek by nothing", lseek(fd, 0, SEEK_CUR));
  say("ftruncate to 4 GiB", ftruncate(fd, 4 * GIB));
  say("size", size_of(fd));
  say("ftruncate to 6 GiB", ftruncate(fd, 6 * GIB));
  say("size", size_of(fd));
  say("ftruncate to 5", ftruncate(fd, 5));
  say("ftruncate to less than nothing", ftruncate(fd, -1));
  say("ftruncate to all there is", ftruncate(fd, INT64_MAX));
  say("pread at less than nothing", pread(fd, bytes, 1, -1));
  say("pwrite at less than nothing", pwrite(fd, bytes, 1, -1));
  say("size", size_of(fd));
  close(fd);
}

static void appending(void) {
  int fd = new_file("appended", O_RDWR | O_APPEND);
  say("write", write(fd, "one", 3));
  say("lseek", lseek(fd, 0, SEEK_SET));
  say("write", write(fd, "two", 3));
  say("place", lseek(fd, 0, SEEK_CUR));
  say("pwrite, which Linux appends too", pwrite(fd, "3", 1, 0));
  say("place", lseek(fd, 0, SEEK_CUR));
  fact("O_APPEND", (fcntl(fd, F_GETFL) & O_APPEND) != 0);
  say("O_APPEND off", fcntl(fd, F_SETFL, 0));
  fact("O_APPEND", (fcntl(fd, F_GETFL) & O_APPEND) != 0);
  say("lseek", lseek(fd, 1, SEEK_SET));
  say("write", write(fd, "N", 1));
  say("O_APPEND on", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
  say("write", write(fd, "!", 1));
  say("lseek", lseek(fd, 0, SEEK_SET));
  say_read("all", fd);
  close(fd);
}

static void access_modes(void) {
  static const struct {
    const char *name;
    int flags;
  } MODES[] = {{"RDONLY", O_RDONLY}, {"WRONLY", O_WRONLY}, {"RDWR", O_RDWR}};
  int fd = new_file("modes", O_WRONLY);
  say("write", write(fd, "0123456789", 10));
  close(fd);
  for (int i = 0; i < COUNT(MODES); i++) {
    char bytes[4];
    fd = need("open", open("modes", MODES[i].flags));
    printf("%s:", MODES[i].name);
    printf(" read %s", outcome(read(fd, bytes, 4)));
    printf(" read nothing %s", outcome(read(fd, bytes, 0)));
    printf(" write %s", outcome(write(fd, "abcd", 4)));
    printf(" write nothing %s", outcome(write(fd, "", 0)));
    printf(" pread %s", outcome(pread(fd, bytes, 4, 0)));
    printf(" pwrite %s", outcome(pwrite(fd, "abcd", 4, 0)));
    printf(" ftruncate %s", outcome(ftruncate(fd, 10)));
    printf(" fallocate %s", name_of(posix_fallocate(fd, 0, 10)));
    printf(" fadvise %s", name_of(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL)));
    printf(" fsync %s", outcome(fsync(fd)));
    printf(" fdatasync %s", outcome(fdatasync(fd)));
    printf(" isatty %d\n", isatty(fd));
    fact("F_GETFL", (fcntl(fd, F_GETFL) & O_ACCMODE) == MODES[i].flags);
    close(fd);
  }
  printf("closed: %s", outcome(read(fd, "", 0)));
  printf(" %s %s %s\n", outcome(lseek(fd, 0, SEEK_SET)), outcome(fsync(fd)), outcome(close(fd)));
}

static void room(void) {
  static const long long RANGES[][2] = {{0, 100}, {10, 10}, {90, 20}, {0, 0}, {-1, 1}, {0, -1}};
  int fd = new_file("room", O_RDWR);
  for (int i = 0; i < COUNT(RANGES); i++) {
    printf("fallocate %s", name_of(posix_fallocate(fd, RANGES[i][0], RANGES[i][1])));
    printf(" size %lld\n", size_of(fd));
  }
  printf("fadvise of less %s\n", name_of(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL)));
  close(fd);
}

static void vectors(void) {
  char a[4] = "";
  char b[8] = "";
  int fd = new_file("vectors", O_RDWR);
  struct iovec out[] = {{"ab", 2}, {"", 0}, {"cde", 3}};
  struct iovec in[] = {{a, 2}, {NULL, 0}, {b, 7}};
  say("writev", writev(fd, out, 3));
  say("pwritev", pwritev(fd, out, 3, 3));
  say("lseek", lseek(fd, 1, SEEK_SET));
  say("readv", readv(fd, in, 3));
  printf("'%s' '%s'\n", a, b);
  say("preadv", preadv(fd, in, 3, 4));
  printf("'%s' '%s'\n", a, b);
  say("readv of nothing", readv(fd, in, 0));
  close(fd);
}

static void say_times(const char *what, const char *name, int flags) {
  struct stat stat = {0};
  need("fstatat", fstatat(AT_FDCWD, name, &stat, flags));
  long long atime = stat.st_atim.tv_sec;
  long long mtime = stat.st_mtim.tv_sec;
  printf("%s: %lld.%09ld %lld.%09ld\n", what, atime, (long)stat.st_atim.tv_nsec, mtime,
         (long)stat.st_mtim.tv_nsec);
}

static void times(void) {
  struct timespec exact[] = {{1000000000, 123456789}, {2000000000, 987654321}};
  struct timespec odd[] = {{0, 1}, {4102444800, 999999999}};
  struct timespec omitted[] = {{7, UTIME_OMIT}, {1234567890, 5}};
  struct timespec wrong[] = {{7, 1000000000}, {7, 0}};
  int fd = new_file("times", O_RDONLY);
  say("futimens", futimens(fd, exact));
  say_times("exact", "times", 0);
  say("futimens", futimens(fd, omitted));
  say_times("one is as it was", "times", 0);
  say("futimens of too many nanoseconds", futimens(fd, wrong));
  say_times("as it was", "times", 0);
  say("symlink", symlink("times", "times.link"));
  say("utimensat of a link", utimensat(AT_FDCWD, "times.link", odd, AT_SYMLINK_NOFOLLOW));
  say_times("the link", "times.link", AT_SYMLINK_NOFOLLOW);
  say_times("the file", "times.link", 0);
  say("utimensat through a link", utimensat(AT_FDCWD, "times.link", odd, 0));
  say_times("the file", "times", 0);
  close(fd);
}

static void without_a_name(void) {
  struct stat one = {0};
  struct stat two = {0};
  int fd = new_file("named", O_RDWR);
  say("write", write(fd, "kept", 4));
  say("link", link("named", "other"));
  need("fstat", fstat(fd, &one));
  need("stat", stat("other", &two));
  fact("one inode", one.st_ino == two.st_ino && one.st_dev == two.st_dev);
  printf("links: %d\n", (int)two.st_nlink);
  say("rename", rename("named", "moved"));
  say("unlink", unlink("moved"));
  say("unlink", unlink("other"));
  need("fstat", fstat(fd, &one));
  printf("links: %d\n", (int)one.st_nlink);
  say("lseek", lseek(fd, 0, SEEK_SET));
  say_read("still there", fd);
  close(fd);
}

// As mkstemp goes about it: names that are taken are passed over.
static void temporary(void) {
  int made = 0;
  int taken = 0;
  for (int i = 0; i < 60; i++) {
    char name[20];
    snprintf(name, sizeof name, "tmp.%02d", i * 7 % 40);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd >= 0) made++, close(fd);
    else if (errno == EEXIST) taken++;
  }
  printf("made %d, taken %d\n", made, taken);
  int first = open("tmp.00", O_RDONLY);
  int second = open("tmp.01", O_RDONLY);
  close(first);
  fact("the lowest number is taken", open("tmp.02", O_RDONLY) == first);
  close(first);
  close(second);
}

static void say_stream(const char *what, FILE *file) {
  char line[64] = "";
  if (file == NULL) {
    printf("%s: %s\n", what, name_of(errno));
    return;
  }
  printf("%s: wrote %d", what, fputs("abc", file) >= 0 && fflush(file) == 0);
  printf(" at %ld", ftell(file));
  clearerr(file);
  rewind(file);
  printf(" read '%s'", fgets(line, sizeof line, file) == NULL ? "-" : line);
  printf(" error %d eof %d", ferror(file) != 0, feof(file) != 0);
  printf(" close %d\n", fclose(file));
}

static void streams(void) {
  static const char *const MODES[] = {"r", "w", "a+", "r+", "a", "w+", "wx", "rb+", "w+x"};
  for (int i = 0; i < COUNT(MODES); i++) say_stream(MODES[i], fopen("stream", MODES[i]));
  say_stream("r of a directory that is not", fopen("nowhere/stream", "r"));
  say_stream("w of a directory", fopen(".", "w"));
  FILE *file = fopen("lines", "w+");
  for (int i = 0; i < 3000; i++) fprintf(file, "line %d of many: they fill some buffers\n", i);
  printf("at %ld\n", ftell(file));
  say("fseek", fseek(file, -20, SEEK_END));
  char line[64];
  printf("rest: %s", fgets(line, sizeof line, file));
  printf("eof %d\n", fgetc(file) == EOF && feof(file));
  rewind(file);
  ungetc('L', file);
  printf("first: %s", fgets(line, sizeof line, file));
  say("fseek", fseek(file, 100, SEEK_CUR));
  fputs("X", file);
  printf("at %ld\n", ftell(file));
  say("fseeko", fseeko(file, 5 * GIB, SEEK_SET));
  printf("at %lld\n", (long long)ftello(file));
  say("fseek before the beginning", fseek(file, -1, SEEK_SET));
  file = freopen("lines", "r", file);
  say("fread", (long long)fread(line, 1, 4, file));
  say("fflush", fflush(file));
  say("lseek after it", lseek(fileno(file), 0, SEEK_CUR));
  char *long_line = NULL;
  size_t room = 0;
  int lines = 0;
  while (getline(&long_line, &room, file) > 0) lines++;
  printf("lines %d\n", lines);
  free(long_line);
  fclose(file);
  say("remove", remove("lines"));
  say("remove", remove("lines"));
  say("mkdir", mkdir("folder", 0755));
  say("remove a directory", remove("folder"));
}

int main(void) {
  beyond_32_bits();
  appending();
  access_modes();
  room();
  vectors();
  times();
  without_a_name();
  temporary();
  streams();
}

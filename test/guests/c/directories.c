// Reading directories of no, one and 1,000 entries; going back in them; walking a tree.
#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 1000

static const char *type_name(int type) {
  switch (type) {
    case DT_DIR: return "dir";
    case DT_REG: return "file";
    case DT_LNK: return "link";
    default: return "other";
  }
}

static int by_name(const struct dirent **one, const struct dirent **other) {
  return strcmp((*one)->d_name, (*other)->d_name);
}

static int is_no_dot(const struct dirent *each) { return each->d_name[0] != '.'; }

static void print_sorted(const char *path) {
  struct dirent **list = NULL;
  int count = scandir(path, &list, NULL, by_name);
  printf("'%s': %s", path, outcome(count));
  for (int i = 0; i < count; i++) {
    printf(" %s:%s", list[i]->d_name, type_name(list[i]->d_type));
    free(list[i]);
  }
  putchar('\n');
  free(list);
}

static void small(void) {
  mkdir("empty", 0755);
  mkdir("small", 0755);
  mkdir("small/dir", 0755);
  close(open("small/file", O_WRONLY | O_CREAT, 0644));
  close(open("small/a longer name, of \xc3\xa4\xe2\x82\xac", O_WRONLY | O_CREAT, 0644));
  symlink("file", "small/link");
  symlink("small", "also");
  print_sorted("empty");
  print_sorted("small");
  print_sorted("also/");
  print_sorted("also/../small/dir");
  print_sorted("missing");
  print_sorted("small/file");
}

// Links cost a file system less than files.
static void make_many(void) {
  char first[256] = "";
  need("mkdir", mkdir("many", 0755));
  int many = need("open", open("many", O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < MANY; i++) {
    char name[256];
    // Short names and the longest that there can be.
    int length = snprintf(name, sizeof name, "%d.", i);
    int filled = i % 100 == 99 ? 255 : i % 50;
    while (length < filled) name[length++] = 'n';
    name[length] = 0;
    if (i == 0) close(need("openat", openat(many, name, O_WRONLY | O_CREAT | O_EXCL, 0644)));
    else need("linkat", linkat(many, first, many, name, 0));
    if (i == 0) memcpy(first, name, sizeof first);
  }
  close(many);
}

// Reads to the end: how many, and whether each of 0 to 999 was there exactly once.
static void read_all(const char *what, DIR *stream) {
  static char seen[MANY];
  memset(seen, 0, sizeof seen);
  int count = 0;
  int dots = 0;
  errno = 0;
  for (struct dirent *each; (each = readdir(stream)) != NULL; count++) {
    if (is_no_dot(each)) seen[atoi(each->d_name)]++;
    else dots++;
  }
  int once = 0;
  for (int i = 0; i < MANY; i++) once += seen[i] == 1;
  printf("%s: %d entries, %d dots, %d once, %s\n", what, count, dots, once, name_of(errno));
}

static void going_back(void) {
  DIR *stream = opendir("many");
  read_all("opendir", stream);
  read_all("at the end", stream);
  rewinddir(stream);
  read_all("rewinddir", stream);
  rewinddir(stream);
  long begin = telldir(stream);
  for (int i = 0; i < 500; i++) readdir(stream);
  seekdir(stream, begin);
  read_all("seekdir", stream);
  closedir(stream);
}

static void inodes(void) {
  int right = 0;
  int fd = need("open", open("many", O_RDONLY | O_DIRECTORY));
  DIR *stream = fdopendir(fd);
  for (struct dirent *each; (each = readdir(stream)) != NULL;) {
    struct stat stat = {0};
    // Up from a directory that was opened there is no way in a guest.
    if (strcmp(each->d_name, "..") == 0) continue;
    need("fstatat", fstatat(fd, each->d_name, &stat, AT_SYMLINK_NOFOLLOW));
    right += each->d_ino == stat.st_ino;
  }
  printf("d_ino is st_ino: %d\n", right);
  closedir(stream);
}

// What is removed while it is read is not seen twice, and what stays is seen.
static void emptying(void) {
  DIR *stream = opendir("many");
  int fd = dirfd(stream);
  int removed = 0;
  int failed = 0;
  for (struct dirent *each; (each = readdir(stream)) != NULL;) {
    if (!is_no_dot(each) || atoi(each->d_name) % 2 == 0) continue;
    if (unlinkat(fd, each->d_name, 0) == 0) removed++;
    else failed++;
  }
  printf("removed %d, failed %d\n", removed, failed);
  rewinddir(stream);
  read_all("what is left", stream);
  closedir(stream);
}

// Removes a tree from the leaves on; how many entries it had.
static int remove_tree(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (fd < 0) return unlinkat(parent, name, 0) == 0 ? 1 : -1000;
  int count = 1;
  DIR *stream = fdopendir(fd);
  for (struct dirent *each; (each = readdir(stream)) != NULL;) {
    if (is_no_dot(each)) count += remove_tree(fd, each->d_name);
  }
  closedir(stream);
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? count : -1000;
}

static void walking(void) {
  char path[200] = "tree";
  need("mkdir", mkdir(path, 0755));
  for (int depth = 0; depth < 20; depth++) {
    strcat(path, "/inner");
    need("mkdir", mkdir(path, 0755));
    int dir = need("open", open(path, O_RDONLY | O_DIRECTORY));
    close(need("openat", openat(dir, "leaf", O_WRONLY | O_CREAT, 0644)));
    need("symlinkat", symlinkat("..", dir, "up"));
    close(dir);
  }
  strcat(path, "/up/up/leaf");
  printf("up the links: %s\n", outcome(access(path, F_OK)));
  printf("remove_tree: %d\n", remove_tree(AT_FDCWD, "tree"));
  printf("and again: %s\n", outcome(access("tree", F_OK)));
  printf("the rest: %d\n", remove_tree(AT_FDCWD, "many"));
}

static void removed(void) {
  need("mkdir", mkdir("gone", 0755));
  int fd = need("open", open("gone", O_RDONLY | O_DIRECTORY));
  need("rmdir", rmdir("gone"));
  printf("in a directory that is no more: %s", outcome(openat(fd, "file", O_RDONLY)));
  printf(" %s", outcome(openat(fd, "file", O_WRONLY | O_CREAT, 0644)));
  printf(" %s\n", outcome(mkdirat(fd, "dir", 0755)));
  DIR *stream = fdopendir(fd);
  printf("its entries: %d\n", stream != NULL && readdir(stream) != NULL);
  if (stream != NULL) closedir(stream);
}

int main(void) {
  small();
  make_many();
  going_back();
  inodes();
  emptying();
  walking();
  removed();
}

// What can be opened, made, removed, linked and renamed by names of every kind; and what not, why.
#include "say.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// Names in a scene: plain, with a slash behind, through others.
static const char *const NAMES[] = {
    "missing",   "file",     "dir",      "full",      "link",         "linkdir",  "dangling",
    "loop",      "file/",    "dir/",     "missing/",  "link/",        "linkdir/", "dangling/",
    "loop/",     "file/x",   "dir/x",    "missing/x", "linkdir/x",    "link/x",   "dir/.",
    "dir/..",    ".//file",  ".",        "",          "full/../file", "file/..",  "file/.",
    "missing/..", "linkdir/..", "dir//x/",   "\xc3\xa4 \xf0\x9f\x98\x80",
};
// The first of them are plain, or plain with a slash behind.
#define PLAIN 15

static const struct {
  const char *name;
  int flags;
} MODES[] = {
    {"RDONLY", O_RDONLY},
    {"WRONLY", O_WRONLY},
    {"RDWR", O_RDWR},
    {"RDONLY|CREAT", O_RDONLY | O_CREAT},
    {"RDWR|CREAT", O_RDWR | O_CREAT},
    {"WRONLY|CREAT|EXCL", O_WRONLY | O_CREAT | O_EXCL},
    {"RDONLY|TRUNC", O_RDONLY | O_TRUNC},
    {"RDWR|TRUNC", O_RDWR | O_TRUNC},
    {"WRONLY|CREAT|TRUNC", O_WRONLY | O_CREAT | O_TRUNC},
    {"WRONLY|APPEND", O_WRONLY | O_APPEND},
    {"DIRECTORY", O_RDONLY | O_DIRECTORY},
    {"RDWR|DIRECTORY", O_RDWR | O_DIRECTORY},
    {"NOFOLLOW", O_RDONLY | O_NOFOLLOW},
    {"NOFOLLOW|DIRECTORY", O_RDONLY | O_NOFOLLOW | O_DIRECTORY},
    {"RDWR|CREAT|NOFOLLOW", O_RDWR | O_CREAT | O_NOFOLLOW},
};

static int scene = -1;

static void put(const char *name) {
  int fd = need(name, openat(scene, name, O_WRONLY | O_CREAT, 0644));
  need("write", (int)write(fd, "12345", 5));
  close(fd);
}

// A directory with one of each kind in it.
static void new_scene(void) {
  static int count;
  char name[20];
  if (scene >= 0) close(scene);
  snprintf(name, sizeof name, "scene.%d", count++);
  need("mkdir", mkdir(name, 0755));
  scene = need("open", open(name, O_RDONLY | O_DIRECTORY));
  put("file");
  need("mkdirat", mkdirat(scene, "dir", 0755));
  need("mkdirat", mkdirat(scene, "full", 0755));
  put("full/inner");
  need("symlinkat", symlinkat("file", scene, "link"));
  need("symlinkat", symlinkat("dir", scene, "linkdir"));
  need("symlinkat", symlinkat("missing", scene, "dangling"));
  need("symlinkat", symlinkat("loop", scene, "loop"));
}

static int by_text(const void *one, const void *other) { return strcmp(one, other); }

// What there is in a scene, as text; and what there was at first.
static char tree[1000];
static char original[sizeof tree];

static void add(const char *text) {
  size_t used = strlen(tree);
  snprintf(tree + used, sizeof tree - used, "%s", text);
}

static void add_entry(int dir, const char *name) {
  struct stat stat = {0};
  char target[64] = "";
  char size[40];
  need(name, fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW));
  add(" ");
  add(name);
  if (S_ISDIR(stat.st_mode)) add("/");
  if (S_ISREG(stat.st_mode)) {
    snprintf(size, sizeof size, "=%d*%d", (int)stat.st_size, (int)stat.st_nlink);
    add(size);
  }
  if (S_ISLNK(stat.st_mode)) {
    need("readlinkat", (int)readlinkat(dir, name, target, sizeof target - 1));
    add(">");
    add(target);
  }
}

// All that is in a directory, by name; if it is there.
static void add_entries(const char *path) {
  char names[32][64];
  int count = 0;
  int dir = openat(scene, path, O_RDONLY | O_DIRECTORY);
  if (dir < 0) return;
  add(path);
  add(":");
  DIR *stream = fdopendir(dir);
  for (struct dirent *each; (each = readdir(stream)) != NULL && count < COUNT(names);) {
    if (each->d_name[0] == '.') continue;
    snprintf(names[count++], sizeof names[0], "%.63s", each->d_name);
  }
  qsort(names, (size_t)count, sizeof names[0], by_text);
  for (int i = 0; i < count; i++) add_entry(dir, names[i]);
  add(" ");
  closedir(stream);
}

static void look(void) {
  tree[0] = 0;
  add_entries(".");
  add_entries("full");
  add_entries("dir");
}

// After what has succeeded: what there is now. What comes next must find it as it was; a new scene
// costs a file system most of what there is to do here, so what is easily undone is.
static void print_scene(void) {
  look();
  printf(" (%s)", tree);
  if (strcmp(tree, original) == 0) return;
  unlinkat(scene, "missing", 0);
  unlinkat(scene, "missing", AT_REMOVEDIR);
  unlinkat(scene, "new", 0);
  look();
  if (strcmp(tree, original) != 0) new_scene();
}

static void print_outcome(const char *what, int result) {
  printf(" %s=%s", what, outcome(result));
  if (result >= 0) print_scene();
}

static void print_opened(const char *mode, int fd, int changes) {
  struct stat stat = {0};
  printf(" %s=%s", mode, outcome(fd));
  if (fd < 0) return;
  need("fstat", fstat(fd, &stat));
  printf(":%s", S_ISDIR(stat.st_mode) ? "dir" : S_ISREG(stat.st_mode) ? "file" : "other");
  close(fd);
  if (changes) print_scene();
}

static void print_stat(const char *what, const char *name, int flags) {
  struct stat stat = {0};
  int result = fstatat(scene, name, &stat, flags);
  printf(" %s=%s", what, outcome(result));
  if (result < 0) return;
  if (S_ISDIR(stat.st_mode)) printf(":dir");
  if (S_ISREG(stat.st_mode)) printf(":file:%d", (int)stat.st_size);
  if (S_ISLNK(stat.st_mode)) printf(":link:%d", (int)stat.st_size);
}

static void open_in_all_modes(const char *name) {
  printf("open '%s':", name);
  for (int i = 0; i < COUNT(MODES); i++) {
    int flags = MODES[i].flags;
    int fd = openat(scene, name, flags, 0644);
    print_opened(MODES[i].name, fd, (flags & (O_CREAT | O_TRUNC)) != 0);
  }
  putchar('\n');
}

static void ask_and_change(const char *name) {
  char target[64];
  struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 6}};
  printf("at '%s':", name);
  print_stat("stat", name, 0);
  print_stat("lstat", name, AT_SYMLINK_NOFOLLOW);
  printf(" readlink=%s", outcome(readlinkat(scene, name, target, sizeof target)));
  printf(" access=%s", outcome(faccessat(scene, name, F_OK, 0)));
  printf(" utimens=%s", outcome(utimensat(scene, name, times, 0)));
  printf(" lutimens=%s", outcome(utimensat(scene, name, times, AT_SYMLINK_NOFOLLOW)));
  print_outcome("mkdir", mkdirat(scene, name, 0755));
  print_outcome("unlink", unlinkat(scene, name, 0));
  print_outcome("rmdir", unlinkat(scene, name, AT_REMOVEDIR));
  print_outcome("symlink", symlinkat("text", scene, name));
  print_outcome("link from", linkat(scene, name, scene, "new", 0));
  print_outcome("link to", linkat(scene, "file", scene, name, 0));
  putchar('\n');
}

static void rename_to_all(const char *from) {
  printf("rename '%s' to:", from);
  for (int i = 0; i < PLAIN; i++) {
    printf(" '%s'", NAMES[i]);
    print_outcome("", renameat(scene, from, scene, NAMES[i]));
  }
  putchar('\n');
}

static void lengths(void) {
  char name[5000];
  static const int LENGTHS[] = {254, 255, 256, 4095, 4096};
  for (int i = 0; i < COUNT(LENGTHS); i++) {
    memset(name, 'n', sizeof name);
    name[LENGTHS[i]] = 0;
    printf("a name of %d bytes: ", LENGTHS[i]);
    printf("%s ", outcome(openat(scene, name, O_RDONLY)));
    printf("%s ", outcome(mkdirat(scene, name, 0755)));
    printf("%s ", outcome(symlinkat(name, scene, "long")));
    printf("%s\n", outcome(unlinkat(scene, "long", 0)));
    // As long, of short names.
    for (int at = 0; at + 1 < LENGTHS[i]; at += 2) memcpy(name + at, "./", 2);
    printf("a path of %d bytes: %s\n", LENGTHS[i], outcome(faccessat(scene, name, F_OK, 0)));
  }
}

int main(void) {
  new_scene();
  look();
  memcpy(original, tree, sizeof tree);
  for (int i = 0; i < COUNT(NAMES); i++) open_in_all_modes(NAMES[i]);
  for (int i = 0; i < COUNT(NAMES); i++) ask_and_change(NAMES[i]);
  for (int i = 0; i < PLAIN; i++) rename_to_all(NAMES[i]);
  lengths();
}

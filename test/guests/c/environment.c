// Arguments and environment, byte by byte: `environment STATUS [ARGUMENT...]` exits with STATUS.
#include "say.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

// What is not plain ASCII is shown as hexadecimal digits.
static void print_text(const char *text) {
  for (; *text != 0; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte >= ' ' && byte <= '~' && byte != '\\') putchar(byte);
    else printf("\\%02x", byte);
  }
  putchar('\n');
}

static int by_text(const void *one, const void *other) {
  return strcmp(*(char *const *)one, *(char *const *)other);
}

static void print_value(const char *name) {
  const char *value = getenv(name);
  printf("getenv %s: ", name);
  print_text(value == NULL ? "(none)" : value);
}

int main(int argc, char **argv) {
  int count = 0;
  printf("arguments: %d\n", argc - 1);
  for (int i = 1; i < argc; i++) print_text(argv[i]);
  fact("none after the last", argv[argc] == NULL);
  while (environ != NULL && environ[count] != NULL) count++;
  printf("environment: %d\n", count);
  // Their order is nobody's business.
  if (count > 0) qsort(environ, (size_t)count, sizeof *environ, by_text);
  for (int i = 0; i < count; i++) print_text(environ[i]);
  print_value("plain");
  print_value("empty");
  print_value("equals");
  print_value("missing");
  print_value("plai");
  setenv("plain", "changed", 1);
  print_value("plain");
  printf("a file: %s\n", outcome(open("file", O_RDONLY)));
  fflush(stdout);
  return argc > 1 ? atoi(argv[1]) : 0;
}

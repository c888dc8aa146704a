// files FOLDER: carries out what each byte on stdin asks for, and answers with a dot, so that what
// it costs can be measured from outside. An error ends it. The guest has the folder already.
#include "files.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_BYTES 65536
#define BLOCKS 4096
#define CALLS 100000
#define ENTRIES 100000
#define LIST_BYTES 32768

// At a page's start everywhere: how fast Linux copies depends on it.
_Alignas(4096) static uint8_t block[BLOCK_BYTES];

static void expect(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "files: %s failed\n", what);
  exit(1);
}

static void write_all(void) {
  int fd = file_open("data", TO_CREATE);
  expect(fd >= 0, "creating");
  for (int i = 0; i < BLOCKS; i++) {
    expect(file_write(fd, block, BLOCK_BYTES) == BLOCK_BYTES, "writing");
  }
  expect(file_close(fd) == 0, "closing");
}

static void read_all(void) {
  int fd = file_open("data", TO_READ);
  expect(fd >= 0, "opening");
  for (int i = 0; i < BLOCKS; i++) {
    expect(file_read(fd, block, BLOCK_BYTES) == BLOCK_BYTES, "reading");
  }
  expect(file_read(fd, block, BLOCK_BYTES) == 0, "ending");
  expect(file_close(fd) == 0, "closing");
}

static void open_often(void) {
  for (int i = 0; i < CALLS; i++) {
    int fd = file_open("small", TO_READ);
    expect(fd >= 0, "opening");
    expect(file_close(fd) == 0, "closing");
  }
}

static void stat_often(void) {
  for (int i = 0; i < CALLS; i++) expect(file_size("small") == 5, "asking for the size");
}

static void list(void) {
  int fd = file_open("many", TO_LIST);
  expect(fd >= 0, "opening the list");
  int all = 0;
  for (int found = folder_read(fd, block, LIST_BYTES, 1); found != 0;) {
    expect(found > 0, "listing");
    all += found;
    found = folder_read(fd, block, LIST_BYTES, 0);
  }
  // The folder itself and the one above are listed besides, though not by every host.
  expect(all == ENTRIES || all == ENTRIES + 2, "counting");
  expect(file_close(fd) == 0, "closing");
}

static void carry_out(char what) {
  switch (what) {
    case 'w': return write_all();
    case 'r': return read_all();
    case 'o': return open_often();
    case 's': return stat_often();
    case 'l': return list();
    default: expect(0, "understanding");
  }
}

int main(int argc, char **argv) {
  folder_open(argc > 1 ? argv[1] : NULL);
  for (int i = 0; i < BLOCK_BYTES; i++) block[i] = (uint8_t)i;
  // Some hosts make stdin non-blocking.
  struct pollfd asked = {.fd = STDIN_FILENO, .events = POLLIN};
  char what;
  while (poll(&asked, 1, -1) == 1 && read(STDIN_FILENO, &what, 1) == 1) {
    carry_out(what);
    expect(write(STDOUT_FILENO, ".", 1) == 1, "answering");
  }
}

// The rows of files: what a program on Linux (files_linux.c) and a guest (files_wasi.c) do alike.
// Each call of this header is one call of the system, or as many as it takes to stay in a folder.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum purpose { TO_READ, TO_CREATE, TO_LIST };

// Opens the folder of all names; ends the program if it cannot.
void folder_open(const char *path);

// Each gives what its name says, or a negative number.
int file_open(const char *name, enum purpose purpose);
int file_close(int fd);
int file_read(int fd, uint8_t *bytes, size_t length);
int file_write(int fd, const uint8_t *bytes, size_t length);
// The size in bytes of what a name leads to.
int64_t file_size(const char *name);
// Reads one buffer of entries from where the last call ended, or from the start; how many, 0 at
// the end.
int folder_read(int fd, uint8_t *bytes, size_t length, int from_start);

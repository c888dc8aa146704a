// What the processing stage of the pipeline does with one request; the load generator checks it.
#pragma once
#include <stddef.h>

// How many bytes an answer can have more than its request: a digest in hex, a space, a newline.
#define WORK_EXTRA_BYTES 66

// Parses the `n` bytes of a line, whose letters it may change, sorts its fields by name, hashes
// them `rounds` times, and writes the answer with its newline to `out`. How many bytes that is.
size_t work_answer(char *line, size_t n, int rounds, char *out);

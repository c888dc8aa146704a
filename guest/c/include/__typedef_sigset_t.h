// In place of wasi-libc's, which holds no signal set: bit n - 1 is signal n, as in the kernel.
#ifndef __wasilibc___typedef_sigset_t_h
#define __wasilibc___typedef_sigset_t_h

typedef struct {
  unsigned long long sandpoll_bits;
} sigset_t;

#endif

// signalfd(2), with Linux's names and values. The host feeds it: `sandpoll run` passes on TERM,
// INT, HUP, USR1 and USR2 to a guest whose signalfd asks for them.
#ifndef SANDPOLL_SYS_SIGNALFD_H
#define SANDPOLL_SYS_SIGNALFD_H

#include <signal.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SFD_NONBLOCK 0x800
#define SFD_CLOEXEC 0x80000

struct signalfd_siginfo {
  uint32_t ssi_signo;
  int32_t ssi_errno;
  int32_t ssi_code;
  uint32_t ssi_pid;
  uint32_t ssi_uid;
  int32_t ssi_fd;
  uint32_t ssi_tid;
  uint32_t ssi_band;
  uint32_t ssi_overrun;
  uint32_t ssi_trapno;
  int32_t ssi_status;
  int32_t ssi_int;
  uint64_t ssi_ptr;
  uint64_t ssi_utime;
  uint64_t ssi_stime;
  uint64_t ssi_addr;
  uint16_t ssi_addr_lsb;
  uint8_t sandpoll_reserved[46];
};

// `fd` must be -1: the mask of a signalfd cannot be changed (EINVAL).
int signalfd(int fd, const sigset_t *mask, int flags);

#ifdef __cplusplus
}
#endif

#endif

#pragma once

/**
 * The structs of guest memory, as plain C declares them: the third source, beside the host's own
 * table and AssemblyScript's `offsetof`, of every offset that crosses the boundary.
 *
 * Sources: WASI preview1 `typenames.witx`, WasmEdge `api.hpp`, and for `epoll_event` the
 * 64-bit layout without x86-64's packing. All are little-endian, guest pointers are 32 bits.
 */

#include <dirent.h>
#include <sys/signalfd.h>

#include <cstddef>
#include <cstdint>

namespace sandpoll::abi {

struct iovec {
  uint32_t buf;
  uint32_t len;
};

struct prestat {
  uint8_t tag;
  uint32_t pr_name_len;
};

struct fdstat {
  uint8_t filetype;
  uint16_t flags;
  alignas(8) uint64_t rights_base;
  uint64_t rights_inheriting;
};

struct filestat {
  uint64_t dev;
  uint64_t ino;
  uint8_t filetype;
  alignas(8) uint64_t nlink;
  uint64_t size;
  uint64_t atim;
  uint64_t mtim;
  uint64_t ctim;
};

struct dirent {
  uint64_t d_next;
  uint64_t d_ino;
  uint32_t d_namlen;
  uint8_t d_type;
};

struct subscription_clock {
  uint32_t id;
  alignas(8) uint64_t timeout;
  uint64_t precision;
  uint16_t flags;
};

struct subscription_fd_readwrite {
  uint32_t fd;
};

struct subscription {
  uint64_t userdata;
  uint8_t tag;
  union {
    subscription_clock clock;
    subscription_fd_readwrite fd_readwrite;
  } u;
};

/** Preview0's, `wasi_unstable`: a clock has an identifier, and a file 32 bits of links. */
struct unstable_subscription_clock {
  uint64_t identifier;
  uint32_t id;
  alignas(8) uint64_t timeout;
  uint64_t precision;
  uint16_t flags;
};

struct unstable_subscription {
  uint64_t userdata;
  uint8_t tag;
  union {
    unstable_subscription_clock clock;
    subscription_fd_readwrite fd_readwrite;
  } u;
};

struct unstable_filestat {
  uint64_t dev;
  uint64_t ino;
  uint8_t filetype;
  uint32_t nlink;
  uint64_t size;
  uint64_t atim;
  uint64_t mtim;
  uint64_t ctim;
};

struct event_fd_readwrite {
  uint64_t nbytes;
  uint16_t flags;
};

struct event {
  uint64_t userdata;
  uint16_t error;
  uint8_t type;
  event_fd_readwrite fd_readwrite;
};

struct timespec {
  int64_t tv_sec;
  int64_t tv_nsec;
};

struct itimerspec {
  timespec it_interval;
  timespec it_value;
};

struct epoll_event {
  uint32_t events;
  uint32_t zero;
  uint64_t data;
};

/** The kernel's own: what a guest reads from a signalfd is what any program reads. */
using ::signalfd_siginfo;

struct wasi_address {
  uint32_t buf;
  uint32_t len;
};

struct wasi_address_v2 {
  uint16_t family;
  uint8_t address[126];
};

/** wasi-libc's: 64-bit halves. */
struct timeval {
  int64_t tv_sec;
  int64_t tv_usec;
};

struct linger {
  int32_t l_onoff;
  int32_t l_linger;
};

struct addrinfo {
  uint16_t ai_flags;
  uint8_t ai_family;
  uint8_t ai_socktype;
  uint8_t ai_protocol;
  uint32_t ai_addrlen;
  uint32_t ai_addr;
  uint32_t ai_canonname;
  uint32_t ai_canonname_len;
  uint32_t ai_next;
};

struct sockaddr {
  uint8_t sa_family;
  uint32_t sa_data_len;
  uint32_t sa_data;
};

/** Linux's own from here on; `in_addr` is in network order. */
struct sockaddr_in {
  uint16_t sin_family;
  uint16_t sin_port;
  uint32_t sin_addr;
  uint8_t sin_zero[8];
};

struct sockaddr_in6 {
  uint16_t sin6_family;
  uint16_t sin6_port;
  uint32_t sin6_flowinfo;
  uint8_t sin6_addr[16];
  uint32_t sin6_scope_id;
};

struct sockaddr_un {
  uint16_t sun_family;
  char sun_path[108];
};

struct msghdr {
  uint32_t msg_name;
  uint32_t msg_namelen;
  uint32_t msg_iov;
  uint32_t msg_iovlen;
  uint32_t msg_control;
  uint32_t msg_controllen;
  uint32_t msg_flags;
};

struct mmsghdr {
  msghdr msg_hdr;
  uint32_t msg_len;
};

/** One operation of `sandpoll.submit`. */
struct submission {
  uint32_t opcode;
  uint32_t fd;
  uint32_t buf;
  uint32_t len;
  uint32_t result;
};

struct ip_mreqn {
  uint32_t imr_multiaddr;
  uint32_t imr_address;
  int32_t imr_ifindex;
};

struct ipv6_mreq {
  uint8_t ipv6mr_multiaddr[16];
  uint32_t ipv6mr_interface;
};

/** What `getdents64(2)` writes; the name goes on behind the struct. */
struct linux_dirent64 {
  uint64_t d_ino;
  int64_t d_off;
  uint16_t d_reclen;
  uint8_t d_type;
  char d_name[5];
};

/** What `statx` of the kernel port writes (`host/kernel/values.ts`). */
struct status {
  uint64_t dev;
  uint64_t ino;
  uint32_t mode;
  uint32_t zero;
  uint64_t nlink;
  uint64_t size;
  uint64_t atim;
  uint64_t mtim;
  uint64_t ctim;
};

static_assert(sizeof(iovec) == 8 && sizeof(prestat) == 8 && sizeof(fdstat) == 24, "witx");
static_assert(sizeof(filestat) == 64 && sizeof(dirent) == 24, "witx");
static_assert(sizeof(subscription) == 48 && offsetof(subscription, u) == 16, "witx");
static_assert(sizeof(event) == 32 && offsetof(event, fd_readwrite) == 16, "witx");
static_assert(sizeof(unstable_subscription) == 56 && sizeof(unstable_filestat) == 56, "witx");
static_assert(sizeof(epoll_event) == 16 && offsetof(epoll_event, data) == 8, "design.md 4.1");
static_assert(sizeof(addrinfo) == 28 && sizeof(sockaddr) == 12, "WasmEdge");
static_assert(sizeof(sockaddr_in) == 16 && sizeof(sockaddr_in6) == 28, "ip(7), ipv6(7)");
static_assert(sizeof(sockaddr_un) == 110 && sizeof(msghdr) == 28, "unix(7), recvmsg(2)");
static_assert(sizeof(mmsghdr) == 32, "recvmmsg(2)");
static_assert(sizeof(submission) == 20, "README.md");
static_assert(sizeof(status) == 64 && sizeof(linux_dirent64) == 24, "getdents64(2)");
static_assert(offsetof(linux_dirent64, d_off) == offsetof(::dirent64, d_off), "getdents64(2)");
static_assert(offsetof(linux_dirent64, d_reclen) == offsetof(::dirent64, d_reclen),
              "getdents64(2)");
static_assert(offsetof(linux_dirent64, d_type) == offsetof(::dirent64, d_type), "getdents64(2)");
static_assert(offsetof(linux_dirent64, d_name) == offsetof(::dirent64, d_name), "getdents64(2)");
static_assert(sizeof(wasi_address_v2) == 128 && sizeof(timeval) == 16, "WasmEdge");

}  // namespace sandpoll::abi

/** What this machine's headers say, for the tests that compare the host's tables with it. */

#include "probe.h"

#include <cerrno>

#include "core/abi.h"

namespace sandpoll::probe {

namespace {

// clang-format off
#define SANDPOLL_ERRNOS(X)                                                                        \
  X(E2BIG) X(EACCES) X(EADDRINUSE) X(EADDRNOTAVAIL) X(EADV) X(EAFNOSUPPORT) X(EAGAIN)             \
  X(EALREADY) X(EBADE) X(EBADF) X(EBADFD) X(EBADMSG) X(EBADR) X(EBADRQC) X(EBADSLT) X(EBFONT)     \
  X(EBUSY) X(ECANCELED) X(ECHILD) X(ECHRNG) X(ECOMM) X(ECONNABORTED) X(ECONNREFUSED)              \
  X(ECONNRESET) X(EDEADLK) X(EDEADLOCK) X(EDESTADDRREQ) X(EDOM) X(EDOTDOT) X(EDQUOT) X(EEXIST)    \
  X(EFAULT) X(EFBIG) X(EHOSTDOWN) X(EHOSTUNREACH) X(EHWPOISON) X(EIDRM) X(EILSEQ) X(EINPROGRESS)  \
  X(EINTR) X(EINVAL) X(EIO) X(EISCONN) X(EISDIR) X(EISNAM) X(EKEYEXPIRED) X(EKEYREJECTED)         \
  X(EKEYREVOKED) X(EL2HLT) X(EL2NSYNC) X(EL3HLT) X(EL3RST) X(ELIBACC) X(ELIBBAD) X(ELIBEXEC)      \
  X(ELIBMAX) X(ELIBSCN) X(ELNRNG) X(ELOOP) X(EMEDIUMTYPE) X(EMFILE) X(EMLINK) X(EMSGSIZE)         \
  X(EMULTIHOP) X(ENAMETOOLONG) X(ENAVAIL) X(ENETDOWN) X(ENETRESET) X(ENETUNREACH) X(ENFILE)       \
  X(ENOANO) X(ENOBUFS) X(ENOCSI) X(ENODATA) X(ENODEV) X(ENOENT) X(ENOEXEC) X(ENOKEY) X(ENOLCK)    \
  X(ENOLINK) X(ENOMEDIUM) X(ENOMEM) X(ENOMSG) X(ENONET) X(ENOPKG) X(ENOPROTOOPT) X(ENOSPC)        \
  X(ENOSR) X(ENOSTR) X(ENOSYS) X(ENOTBLK) X(ENOTCONN) X(ENOTDIR) X(ENOTEMPTY) X(ENOTNAM)          \
  X(ENOTRECOVERABLE) X(ENOTSOCK) X(ENOTSUP) X(ENOTTY) X(ENOTUNIQ) X(ENXIO) X(EOPNOTSUPP)          \
  X(EOVERFLOW) X(EOWNERDEAD) X(EPERM) X(EPFNOSUPPORT) X(EPIPE) X(EPROTO) X(EPROTONOSUPPORT)       \
  X(EPROTOTYPE) X(ERANGE) X(EREMCHG) X(EREMOTE) X(EREMOTEIO) X(ERESTART) X(ERFKILL) X(EROFS)      \
  X(ESHUTDOWN) X(ESOCKTNOSUPPORT) X(ESPIPE) X(ESRCH) X(ESRMNT) X(ESTALE) X(ESTRPIPE) X(ETIME)     \
  X(ETIMEDOUT) X(ETOOMANYREFS) X(ETXTBSY) X(EUCLEAN) X(EUNATCH) X(EUSERS) X(EWOULDBLOCK)          \
  X(EXDEV) X(EXFULL)
// clang-format on

struct Errno {
  const char* name;
  int number;
};

constexpr Errno kErrnos[] = {
#define SANDPOLL_ERRNO_ROW(name) {#name, name},
    SANDPOLL_ERRNOS(SANDPOLL_ERRNO_ROW)
#undef SANDPOLL_ERRNO_ROW
};

/** One struct of the JSON; fields are added until it is closed. */
class Struct {
 public:
  Struct(std::string& json, const char* name, size_t size, size_t align) : json_(json) {
    json_ += json_.size() > 1 ? ",\"" : "\"";
    json_ += name;
    json_ += "\":{\"size\":" + std::to_string(size) + ",\"align\":" + std::to_string(align) +
             ",\"fields\":{";
  }
  ~Struct() { json_ += "}}"; }
  Struct(const Struct&) = delete;
  Struct& operator=(const Struct&) = delete;

  Struct& field(const char* name, size_t offset) {
    if (json_.back() != '{') json_ += ',';
    json_ += '"';
    json_ += name;
    json_ += "\":" + std::to_string(offset);
    return *this;
  }

 private:
  std::string& json_;
};

#define STRUCT(name) Struct(json, #name, sizeof(abi::name), alignof(abi::name))
#define AT(name, path, member) field(path, offsetof(abi::name, member))

/** WASI preview1, and epoll's own. */
void add_preview1(std::string& json) {
  STRUCT(iovec).AT(iovec, "buf", buf).AT(iovec, "len", len);
  STRUCT(prestat).AT(prestat, "tag", tag).AT(prestat, "pr_name_len", pr_name_len);
  STRUCT(fdstat)
      .AT(fdstat, "filetype", filetype)
      .AT(fdstat, "flags", flags)
      .AT(fdstat, "rights_base", rights_base)
      .AT(fdstat, "rights_inheriting", rights_inheriting);
  STRUCT(filestat)
      .AT(filestat, "dev", dev)
      .AT(filestat, "ino", ino)
      .AT(filestat, "filetype", filetype)
      .AT(filestat, "nlink", nlink)
      .AT(filestat, "size", size)
      .AT(filestat, "atim", atim)
      .AT(filestat, "mtim", mtim)
      .AT(filestat, "ctim", ctim);
  STRUCT(dirent)
      .AT(dirent, "d_next", d_next)
      .AT(dirent, "d_ino", d_ino)
      .AT(dirent, "d_namlen", d_namlen)
      .AT(dirent, "d_type", d_type);
  STRUCT(subscription)
      .AT(subscription, "userdata", userdata)
      .AT(subscription, "tag", tag)
      .AT(subscription, "clock.id", u.clock.id)
      .AT(subscription, "clock.timeout", u.clock.timeout)
      .AT(subscription, "clock.precision", u.clock.precision)
      .AT(subscription, "clock.flags", u.clock.flags)
      .AT(subscription, "fd_readwrite.fd", u.fd_readwrite.fd);
  STRUCT(event)
      .AT(event, "userdata", userdata)
      .AT(event, "error", error)
      .AT(event, "type", type)
      .AT(event, "fd_readwrite.nbytes", fd_readwrite.nbytes)
      .AT(event, "fd_readwrite.flags", fd_readwrite.flags);
  STRUCT(timespec).AT(timespec, "tv_sec", tv_sec).AT(timespec, "tv_nsec", tv_nsec);
  STRUCT(itimerspec)
      .AT(itimerspec, "it_interval.tv_sec", it_interval.tv_sec)
      .AT(itimerspec, "it_interval.tv_nsec", it_interval.tv_nsec)
      .AT(itimerspec, "it_value.tv_sec", it_value.tv_sec)
      .AT(itimerspec, "it_value.tv_nsec", it_value.tv_nsec);
  STRUCT(epoll_event)
      .AT(epoll_event, "events", events)
      .AT(epoll_event, "zero", zero)
      .AT(epoll_event, "data", data);
  STRUCT(signalfd_siginfo)
      .AT(signalfd_siginfo, "ssi_signo", ssi_signo)
      .AT(signalfd_siginfo, "ssi_errno", ssi_errno)
      .AT(signalfd_siginfo, "ssi_code", ssi_code)
      .AT(signalfd_siginfo, "ssi_pid", ssi_pid)
      .AT(signalfd_siginfo, "ssi_uid", ssi_uid);
}

/** What WASI preview0 has laid out in another way. */
void add_unstable(std::string& json) {
  STRUCT(unstable_subscription)
      .AT(unstable_subscription, "userdata", userdata)
      .AT(unstable_subscription, "tag", tag)
      .AT(unstable_subscription, "clock.identifier", u.clock.identifier)
      .AT(unstable_subscription, "clock.id", u.clock.id)
      .AT(unstable_subscription, "clock.timeout", u.clock.timeout)
      .AT(unstable_subscription, "clock.precision", u.clock.precision)
      .AT(unstable_subscription, "clock.flags", u.clock.flags)
      .AT(unstable_subscription, "fd_readwrite.fd", u.fd_readwrite.fd);
  STRUCT(unstable_filestat)
      .AT(unstable_filestat, "dev", dev)
      .AT(unstable_filestat, "ino", ino)
      .AT(unstable_filestat, "filetype", filetype)
      .AT(unstable_filestat, "nlink", nlink)
      .AT(unstable_filestat, "size", size)
      .AT(unstable_filestat, "atim", atim)
      .AT(unstable_filestat, "mtim", mtim)
      .AT(unstable_filestat, "ctim", ctim);
}

/** Linux's files, and the port's own record. */
void add_files(std::string& json) {
  STRUCT(linux_dirent64)
      .AT(linux_dirent64, "d_ino", d_ino)
      .AT(linux_dirent64, "d_off", d_off)
      .AT(linux_dirent64, "d_reclen", d_reclen)
      .AT(linux_dirent64, "d_type", d_type)
      .AT(linux_dirent64, "d_name", d_name);
  STRUCT(status)
      .AT(status, "dev", dev)
      .AT(status, "ino", ino)
      .AT(status, "mode", mode)
      .AT(status, "zero", zero)
      .AT(status, "nlink", nlink)
      .AT(status, "size", size)
      .AT(status, "atim", atim)
      .AT(status, "mtim", mtim)
      .AT(status, "ctim", ctim);
}

/** The WasmEdge socket family. */
void add_sockets(std::string& json) {
  STRUCT(wasi_address).AT(wasi_address, "buf", buf).AT(wasi_address, "len", len);
  STRUCT(wasi_address_v2)
      .AT(wasi_address_v2, "family", family)
      .AT(wasi_address_v2, "address", address);
  STRUCT(timeval).AT(timeval, "tv_sec", tv_sec).AT(timeval, "tv_usec", tv_usec);
  STRUCT(linger).AT(linger, "l_onoff", l_onoff).AT(linger, "l_linger", l_linger);
  STRUCT(addrinfo)
      .AT(addrinfo, "ai_flags", ai_flags)
      .AT(addrinfo, "ai_family", ai_family)
      .AT(addrinfo, "ai_socktype", ai_socktype)
      .AT(addrinfo, "ai_protocol", ai_protocol)
      .AT(addrinfo, "ai_addrlen", ai_addrlen)
      .AT(addrinfo, "ai_addr", ai_addr)
      .AT(addrinfo, "ai_canonname", ai_canonname)
      .AT(addrinfo, "ai_canonname_len", ai_canonname_len)
      .AT(addrinfo, "ai_next", ai_next);
  STRUCT(sockaddr)
      .AT(sockaddr, "sa_family", sa_family)
      .AT(sockaddr, "sa_data_len", sa_data_len)
      .AT(sockaddr, "sa_data", sa_data);
}

/** Linux's sockets. */
void add_linux_sockets(std::string& json) {
  STRUCT(sockaddr_in)
      .AT(sockaddr_in, "sin_family", sin_family)
      .AT(sockaddr_in, "sin_port", sin_port)
      .AT(sockaddr_in, "sin_addr", sin_addr);
  STRUCT(sockaddr_in6)
      .AT(sockaddr_in6, "sin6_family", sin6_family)
      .AT(sockaddr_in6, "sin6_port", sin6_port)
      .AT(sockaddr_in6, "sin6_flowinfo", sin6_flowinfo)
      .AT(sockaddr_in6, "sin6_addr", sin6_addr)
      .AT(sockaddr_in6, "sin6_scope_id", sin6_scope_id);
  STRUCT(sockaddr_un)
      .AT(sockaddr_un, "sun_family", sun_family)
      .AT(sockaddr_un, "sun_path", sun_path);
  STRUCT(submission)
      .AT(submission, "opcode", opcode)
      .AT(submission, "fd", fd)
      .AT(submission, "buf", buf)
      .AT(submission, "len", len)
      .AT(submission, "result", result);
  STRUCT(msghdr)
      .AT(msghdr, "msg_name", msg_name)
      .AT(msghdr, "msg_namelen", msg_namelen)
      .AT(msghdr, "msg_iov", msg_iov)
      .AT(msghdr, "msg_iovlen", msg_iovlen)
      .AT(msghdr, "msg_control", msg_control)
      .AT(msghdr, "msg_controllen", msg_controllen)
      .AT(msghdr, "msg_flags", msg_flags);
  STRUCT(mmsghdr).AT(mmsghdr, "msg_hdr", msg_hdr).AT(mmsghdr, "msg_len", msg_len);
  STRUCT(ip_mreqn)
      .AT(ip_mreqn, "imr_multiaddr", imr_multiaddr)
      .AT(ip_mreqn, "imr_address", imr_address)
      .AT(ip_mreqn, "imr_ifindex", imr_ifindex);
  STRUCT(ipv6_mreq)
      .AT(ipv6_mreq, "ipv6mr_multiaddr", ipv6mr_multiaddr)
      .AT(ipv6_mreq, "ipv6mr_interface", ipv6mr_interface);
}

#undef AT
#undef STRUCT

}  // namespace

std::string abi_layout() {
  std::string json = "{";
  add_preview1(json);
  add_unstable(json);
  add_files(json);
  add_sockets(json);
  add_linux_sockets(json);
  return json + "}";
}

std::string errno_names() {
  std::string json = "{";
  for (const Errno& row : kErrnos) {
    if (json.size() > 1) json += ',';
    json += '"';
    json += row.name;
    json += "\":" + std::to_string(row.number);
  }
  return json + "}";
}

}  // namespace sandpoll::probe

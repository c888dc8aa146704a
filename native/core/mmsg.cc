#include <cerrno>
#include <cstring>

#include "gather.h"
#include "kernel.h"

namespace sandpoll {

namespace {

/**
 * One row of the host's table, as `MESSAGE_BYTES` of `host/kernel/values.ts` has it. The host alone
 * writes to it: what stands here has been judged, and no guest can change it.
 */
struct Row {
  /** How many of the buffers are this message's. */
  uint32_t buffers;
  /** Told: its length in bytes, and Linux's msg_flags. */
  uint32_t length;
  uint32_t flags;
  /** An `Address`: where it goes to, none if the length is 0; or where it came from. */
  uint32_t name_length;
  sockaddr_storage name;
};

static_assert(sizeof(Row) == 144 && offsetof(Row, name) == 16, "MESSAGE_BYTES of values.ts");

/** The messages of one call, as Linux takes them. */
struct Batch {
  mmsghdr messages[kMessagesMax];
  Gathered gathered;

  /** 0; `-EINVAL` for a count that is out of range; `-EFAULT` for anything outside its memory. */
  int load(Bytes bytes, Iovs iovs, Bytes table, int64_t count) {
    if (count < 1 || count > kMessagesMax) return -EINVAL;
    if (static_cast<size_t>(count) > table.size / sizeof(Row)) return -EFAULT;
    Row* row = reinterpret_cast<Row*>(table.data);
    int64_t used = 0;
    for (int64_t at = 0; at < count; at++, row++) {
      messages[at] = {};
      messages[at].msg_hdr.msg_iov = gathered.iovs + used;
      messages[at].msg_hdr.msg_iovlen = row->buffers;
      messages[at].msg_hdr.msg_name = &row->name;
      used += row->buffers;
      if (used > kIovMax) return -EINVAL;
    }
    return gathered.load(bytes, iovs, used);
  }

  void tell(Bytes table, long count) const {
    Row* row = reinterpret_cast<Row*>(table.data);
    for (long at = 0; at < count; at++, row++) {
      row->length = messages[at].msg_len;
      row->flags = static_cast<uint32_t>(messages[at].msg_hdr.msg_flags);
    }
  }
};

}  // namespace

int Kernel::recvmmsg(Handle handle, Bytes bytes, Iovs iovs, Bytes table, int64_t count,
                     int32_t flags, int64_t seconds, int64_t nanoseconds) {
  Batch batch;
  if (const int error = batch.load(bytes, iovs, table, count)) return error;
  Row* const rows = reinterpret_cast<Row*>(table.data);
  for (int64_t at = 0; at < count; at++) {
    batch.messages[at].msg_hdr.msg_namelen = sizeof(rows[at].name);
  }
  timespec timeout = {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const long result =
      sys_.recvmmsg(pin.fd(), batch.messages, static_cast<unsigned>(count), flags | MSG_DONTWAIT,
                    seconds < 0 ? nullptr : &timeout);
  batch.tell(table, result);
  for (long at = 0; at < result; at++) {
    const uint32_t length = batch.messages[at].msg_hdr.msg_namelen;
    rows[at].name_length = length < sizeof(rows[at].name) ? length : sizeof(rows[at].name);
  }
  return static_cast<int>(result);
}

int Kernel::sendmmsg(Handle handle, Bytes bytes, Iovs iovs, Bytes table, int64_t count,
                     int32_t flags) {
  Batch batch;
  if (const int error = batch.load(bytes, iovs, table, count)) return error;
  const Row* const rows = reinterpret_cast<const Row*>(table.data);
  for (int64_t at = 0; at < count; at++) {
    const uint32_t length = rows[at].name_length;
    if (length > sizeof(rows[at].name)) return -EINVAL;
    if (length == 0) batch.messages[at].msg_hdr.msg_name = nullptr;
    batch.messages[at].msg_hdr.msg_namelen = length;
  }
  Pin pin(handles_, handle);
  if (!pin) return -EBADF;
  const long result = sys_.sendmmsg(pin.fd(), batch.messages, static_cast<unsigned>(count),
                                    flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  batch.tell(table, result);
  return static_cast<int>(result);
}

}  // namespace sandpoll

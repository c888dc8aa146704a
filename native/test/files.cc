/** Paths and files, where Linux cannot be brought to answer what is wanted. */

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../core/abi.h"
#include "../core/paths.h"
#include "cases.h"

namespace {

using sandpoll::Bytes;
using sandpoll::Handle;
using sandpoll::Kernel;
using sandpoll::kEscapes;
using sandpoll::Syscalls;
using sandpoll::abi::status;

constexpr uint64_t kBeneathNoMagicLinks = 0x0a;

uint8_t memory[8192];
const Bytes bytes = {memory, sizeof(memory)};

/** What the table below was asked, and what it is to answer. */
struct Fake {
  int next_fd = 100;
  std::vector<int> closed;
  int lookups = 0;
  /** How many lookups fail, and how. */
  int failures = 0;
  long failure = 0;
  std::string path;
  uint64_t flags = 0;
  uint64_t mode = 0;
  int directory = 0;
  std::string name;
  int64_t position = 0;
  int written_flags = 0;
  timespec time = {};
};

Fake fake;

/** A Linux that opens everything it is asked for, and keeps count. */
Syscalls make_fake() {
  fake = Fake();
  Syscalls sys;
  sys.open = [](const char*, int) -> long { return fake.next_fd++; };
  sys.close = [](int fd) -> long { return fake.closed.push_back(fd), 0; };
  sys.openat2 = [](int, const char* path, uint64_t flags, uint64_t mode, uint64_t resolve) -> long {
    EXPECT(resolve == kBeneathNoMagicLinks && (flags & O_CLOEXEC) != 0);
    fake.path = path;
    fake.flags = flags;
    fake.mode = mode;
    return ++fake.lookups <= fake.failures ? fake.failure : fake.next_fd++;
  };
  sys.mkdirat = [](int directory, const char* name, mode_t) -> long {
    fake.directory = directory;
    fake.name = name;
    return -ENOSPC;
  };
  return sys;
}

/** Puts a path in front of the memory, and answers its length. */
int64_t put(const std::string& path) {
  std::memcpy(memory, path.data(), path.size());
  return static_cast<int64_t>(path.size());
}

Handle directory_of(Kernel& kernel) {
  const int64_t length = put("/any");
  const Handle directory = kernel.open_directory({memory, static_cast<size_t>(length)});
  EXPECT(directory >= 0);
  fake.lookups = 0;
  fake.closed.clear();
  return directory;
}

void a_lookup_that_others_disturb_is_tried_again() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  fake.failure = -EAGAIN;
  fake.failures = 5;
  EXPECT(kernel.openat(directory, bytes, 0, put("a/../b"), 0, 0) >= 0 && fake.lookups == 6);
  fake.lookups = 0;
  fake.failures = 1'000'000;
  EXPECT(kernel.openat(directory, bytes, 0, put("a/../b"), 0, 0) == -EAGAIN);
  EXPECT(fake.lookups == 128);
}

void a_way_out_has_an_answer_of_its_own() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  uint8_t record[sizeof(status)];
  const Bytes found = {record, sizeof(record)};
  fake.failure = -EXDEV;
  fake.failures = 1'000'000;
  const int64_t length = put("a/b");
  EXPECT(kernel.openat(directory, bytes, 0, length, 0, 0) == -kEscapes);
  EXPECT(kernel.statx(directory, bytes, 0, length, 0, found) == -kEscapes);
  EXPECT(kernel.mkdirat(directory, bytes, 0, length, 0) == -kEscapes);
  EXPECT(fake.lookups == 3 && fake.closed.empty());
}

void without_openat2_no_directory_is_opened() {
  for (const long failure : {-ENOSYS, -EPERM}) {
    const Syscalls sys = make_fake();
    Kernel kernel(sys);
    fake.failure = failure;
    fake.failures = 1;
    EXPECT(kernel.open_directory({memory, static_cast<size_t>(put("/any"))}) == -ENOSYS);
    EXPECT(fake.closed == std::vector<int>{100});
  }
}

/** One that may be read but not searched. */
void a_directory_that_cannot_be_looked_into_is_a_directory() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  fake.failure = -EACCES;
  fake.failures = 1;
  EXPECT(kernel.open_directory({memory, static_cast<size_t>(put("/any"))}) >= 0);
  EXPECT(fake.closed.empty());
}

void a_file_is_opened_as_asked_and_never_waits() {
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  const uint64_t always = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int64_t length = put("f");
  EXPECT(kernel.openat(directory, bytes, 0, length, O_RDWR | O_CREAT, 07644) >= 0);
  EXPECT(fake.flags == (O_RDWR | O_CREAT | always) && fake.mode == 0644);
  EXPECT(kernel.openat(directory, bytes, 0, length, O_RDONLY, 0644) >= 0);
  EXPECT(fake.flags == always && fake.mode == 0);
  EXPECT(kernel.openat(directory, bytes, 0, length, O_PATH | O_NOFOLLOW, 0) >= 0);
  EXPECT(fake.flags == (O_PATH | O_NOFOLLOW | O_CLOEXEC));
  fake.lookups = 0;
  for (const int flags : {O_TMPFILE, O_DIRECT, O_NONBLOCK, O_ASYNC, O_CLOEXEC, -1}) {
    EXPECT(kernel.openat(directory, bytes, 0, length, flags, 0) == -EINVAL);
  }
  EXPECT(fake.lookups == 0);
}

/** Another thread of the guest writes other names once the path was looked at. */
void a_path_is_read_once() {
  Syscalls sys = make_fake();
  sys.openat2 = [](int, const char* path, uint64_t, uint64_t, uint64_t) -> long {
    fake.path = path;
    put("../../../x");
    return fake.next_fd++;
  };
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  EXPECT(kernel.mkdirat(directory, bytes, 0, put("one/two/three"), 0) == -ENOSPC);
  EXPECT(fake.path == "one/two" && fake.name == "three");
}

struct Split {
  const char* path;
  /** What is looked up for its parent, or null for no look-up. */
  const char* parent;
  const char* name;
};

void a_name_is_acted_on_in_its_parent() {
  const Split splits[] = {
      {"a", nullptr, "a"},
      {"a//", nullptr, "a//"},
      {"...", nullptr, "..."},
      {"..a", nullptr, "..a"},
      {"d/a", "d", "a"},
      {"d//e///a/", "d//e//", "a/"},
      {"/a", "/", "a"},
      {"//a/", "/", "a/"},
      {".", ".", "."},
      {"..", "..", "."},
      {"./", "./", "."},
      {"d/..", "d/..", "."},
      {"d/e/.//", "d/e/.//", "."},
      {"/", "/", "."},
      {"///", "///", "."},
  };
  const Syscalls sys = make_fake();
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  for (const Split& split : splits) {
    fake.lookups = 0;
    fake.closed.clear();
    EXPECT(kernel.mkdirat(directory, bytes, 0, put(split.path), 0) == -ENOSPC);
    EXPECT(fake.name == split.name);
    EXPECT(fake.lookups == (split.parent == nullptr ? 0 : 1));
    if (split.parent == nullptr) {
      EXPECT(fake.directory == 100 && fake.closed.empty());
    } else {
      EXPECT(fake.path == split.parent);
      EXPECT(fake.flags == (O_PATH | O_DIRECTORY | O_CLOEXEC));
      EXPECT(fake.closed == std::vector<int>{fake.directory});
    }
  }
}

void only_one_plain_name_is_asked_about_without_a_lookup() {
  const struct {
    const char* path;
    mode_t mode;
    int flags;
    int lookups;
  } rows[] = {
      {"a", S_IFREG, 0, 0},
      {"...", S_IFDIR, AT_SYMLINK_NOFOLLOW, 0},
      {"link", S_IFLNK, AT_SYMLINK_NOFOLLOW, 0},
      {"link", S_IFLNK, 0, 1},
      {"link/", S_IFLNK, AT_SYMLINK_NOFOLLOW, 1},
      {".", S_IFDIR, 0, 1},
      {"..", S_IFDIR, AT_SYMLINK_NOFOLLOW, 1},
      {"/", S_IFDIR, 0, 1},
      {"/a", S_IFREG, 0, 1},
      {"a/b", S_IFREG, AT_SYMLINK_NOFOLLOW, 1},
  };
  Syscalls sys = make_fake();
  sys.fstat = [](int, struct stat* found) -> long { return *found = {}, 0; };
  sys.fstatat = [](int directory, const char* name, struct stat* found, int flags) -> long {
    EXPECT(flags == AT_SYMLINK_NOFOLLOW && name == fake.name);
    *found = {};
    found->st_mode = fake.mode;
    return fake.directory = directory, 0;
  };
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  status found;
  const Bytes record = {reinterpret_cast<uint8_t*>(&found), sizeof(found)};
  for (const auto& row : rows) {
    fake.lookups = 0;
    fake.name = row.path;
    fake.mode = row.mode;
    EXPECT(kernel.statx(directory, bytes, 0, put(row.path), row.flags, record) >= 0);
    EXPECT(fake.lookups == row.lookups);
    EXPECT(row.lookups > 0 || fake.directory == 100);
  }
}

void times_are_as_near_as_they_can_be() {
  Syscalls sys = make_fake();
  sys.fstat = [](int, struct stat* found) -> long {
    *found = {};
    found->st_mtim = fake.time;
    return 0;
  };
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  const struct {
    timespec time;
    uint64_t expected;
  } rows[] = {
      {{0, 0}, 0},
      {{1, 2}, 1'000'000'002},
      {{-1, 999'999'999}, 0},
      {{18'446'744'073, 709'551'615}, UINT64_MAX},
      {{18'446'744'073, 709'551'614}, UINT64_MAX - 1},
      {{18'446'744'073, 709'551'616}, UINT64_MAX},
      {{INT64_MAX, 0}, UINT64_MAX},
  };
  for (const auto& row : rows) {
    fake.time = row.time;
    status found;
    const Bytes record = {reinterpret_cast<uint8_t*>(&found), sizeof(found)};
    EXPECT(kernel.statx(directory, bytes, 0, 0, AT_EMPTY_PATH, record) == 0);
    EXPECT(found.mtim == row.expected);
  }
}

void setfl_changes_one_flag() {
  Syscalls sys = make_fake();
  sys.getfl = [](int) -> long { return O_RDWR | O_NONBLOCK | O_DSYNC | O_APPEND; };
  sys.setfl = [](int, int flags) -> long { return fake.written_flags = flags, 0; };
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  EXPECT(kernel.setfl(directory, 0) == 0);
  EXPECT(fake.written_flags == (O_RDWR | O_NONBLOCK | O_DSYNC));
  EXPECT(kernel.setfl(directory, O_APPEND | O_ASYNC | O_DIRECT) == 0);
  EXPECT(fake.written_flags == (O_RDWR | O_NONBLOCK | O_DSYNC | O_APPEND));
}

/** Lists a directory whose entries are the cookies themselves, so often. */
void list_from(Kernel* kernel, Handle directory, uint32_t cookie) {
  uint64_t entry;
  const Bytes room = {reinterpret_cast<uint8_t*>(&entry), sizeof(entry)};
  for (int round = 0; round < 2000; round++) {
    EXPECT(kernel->getdents64(directory, room, 0, sizeof(entry), cookie, 7) == sizeof(entry));
    EXPECT(entry == (7ull << 32 | cookie));
  }
}

void a_directory_is_listed_from_a_cookie_on_whoever_else_lists_it() {
  Syscalls sys = make_fake();
  sys.lseek = [](int, int64_t offset, int whence) -> int64_t {
    EXPECT(whence == SEEK_SET);
    if (offset < 0) return -EINVAL;
    fake.position = offset;
    // Whoever else may run has the time to.
    std::this_thread::yield();
    return offset;
  };
  sys.getdents64 = [](int, void* buffer, unsigned length) -> long {
    if (length < sizeof(fake.position)) return -EINVAL;
    std::memcpy(buffer, &fake.position, sizeof(fake.position));
    return sizeof(fake.position);
  };
  Kernel kernel(sys);
  const Handle directory = directory_of(kernel);
  std::thread other(list_from, &kernel, directory, 1);
  list_from(&kernel, directory, 2);
  other.join();
  // No entry can have such a cookie; room for none is something else.
  EXPECT(kernel.getdents64(directory, bytes, 0, 8, 0, 0x8000'0000) == 0);
  EXPECT(kernel.getdents64(directory, bytes, 0, 7, 0, 0) == -EINVAL);
}

}  // namespace

const Case kFileCases[] = {
    CASE(a_lookup_that_others_disturb_is_tried_again),
    CASE(a_way_out_has_an_answer_of_its_own),
    CASE(without_openat2_no_directory_is_opened),
    CASE(a_directory_that_cannot_be_looked_into_is_a_directory),
    CASE(a_file_is_opened_as_asked_and_never_waits),
    CASE(a_path_is_read_once),
    CASE(a_name_is_acted_on_in_its_parent),
    CASE(only_one_plain_name_is_asked_about_without_a_lookup),
    CASE(times_are_as_near_as_they_can_be),
    CASE(setfl_changes_one_flag),
    CASE(a_directory_is_listed_from_a_cookie_on_whoever_else_lists_it),
    {nullptr, nullptr},
};

/** Registration of the core's methods under the names of the Kernel port, and what V8 is asked. */

#include <napi.h>

#include "bind.h"
#include "probe.h"

namespace sandpoll {

/** Never destroyed: worker threads may outlive `exit()`. */
Kernel& bind::kernel = *new Kernel;

namespace {

constexpr napi_property_descriptor described(const char* name, napi_callback function) {
  return {name, nullptr, function, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

template <auto method>
constexpr napi_property_descriptor row(const char* name) {
  return described(name, bind::call<method>);
}

template <auto method>
constexpr napi_property_descriptor hot_row(const char* name) {
  return described(name, bind::call_hot<method>);
}

const napi_property_descriptor kRows[] = {
    row<&Kernel::session_open>("sessionOpen"),
    row<&Kernel::session_enter>("sessionEnter"),
    row<&Kernel::session_wake>("sessionWake"),
    row<&Kernel::session_signal>("sessionSignal"),
    row<&Kernel::session_cputime>("sessionCputime"),
    row<&Kernel::session_waiting>("sessionWaiting"),
    row<&Kernel::session_adopt>("sessionAdopt"),
    row<&Kernel::session_close>("sessionClose"),
    row<&Kernel::socket>("socket"),
    row<&Kernel::socketpair>("socketpair"),
    row<&Kernel::bind>("bind"),
    row<&Kernel::listen>("listen"),
    row<&Kernel::accept4>("accept4"),
    row<&Kernel::connect>("connect"),
    row<&Kernel::getsockname>("getsockname"),
    row<&Kernel::getpeername>("getpeername"),
    row<&Kernel::recvfrom>("recvfrom"),
    row<&Kernel::sendto>("sendto"),
    row<&Kernel::recvmsg>("recvmsg"),
    row<&Kernel::sendmsg>("sendmsg"),
    row<&Kernel::recvmmsg>("recvmmsg"),
    row<&Kernel::sendmmsg>("sendmmsg"),
    row<&Kernel::shutdown>("shutdown"),
    row<&Kernel::getsockopt>("getsockopt"),
    row<&Kernel::setsockopt>("setsockopt"),
    row<&Kernel::channel_send>("channelSend"),
    row<&Kernel::channel_recv>("channelRecv"),
    row<&Kernel::resolve>("resolve"),
    row<&Kernel::resolved>("resolved"),
    row<&Kernel::epoll_create1>("epollCreate1"),
    row<&Kernel::epoll_ctl>("epollCtl"),
    row<&Kernel::poll>("poll"),
    row<&Kernel::eventfd>("eventfd"),
    row<&Kernel::timerfd_create>("timerfdCreate"),
    row<&Kernel::timerfd_settime>("timerfdSettime"),
    row<&Kernel::timerfd_gettime>("timerfdGettime"),
    row<&Kernel::signalfd>("signalfd"),
    row<&Kernel::dup>("dup"),
    row<&Kernel::pipe2>("pipe2"),
    row<&Kernel::stdio>("stdio"),
    row<&Kernel::open_file>("openFile"),
    row<&Kernel::readv>("readv"),
    row<&Kernel::writev>("writev"),
    row<&Kernel::fionread>("fionread"),
    row<&Kernel::fstat>("fstat"),
    row<&Kernel::isatty>("isatty"),
    row<&Kernel::close>("close"),
    row<&Kernel::open_directory>("openDirectory"),
    row<&Kernel::openat>("openat"),
    row<&Kernel::statx>("statx"),
    row<&Kernel::utimensat>("utimensat"),
    row<&Kernel::mkdirat>("mkdirat"),
    row<&Kernel::unlinkat>("unlinkat"),
    row<&Kernel::renameat>("renameat"),
    row<&Kernel::linkat>("linkat"),
    row<&Kernel::symlinkat>("symlinkat"),
    row<&Kernel::readlinkat>("readlinkat"),
    row<&Kernel::getdents64>("getdents64"),
    row<&Kernel::lseek>("lseek"),
    row<&Kernel::pread>("pread"),
    row<&Kernel::pwrite>("pwrite"),
    row<&Kernel::preadv>("preadv"),
    row<&Kernel::pwritev>("pwritev"),
    row<&Kernel::ftruncate>("ftruncate"),
    row<&Kernel::fallocate>("fallocate"),
    row<&Kernel::fadvise>("fadvise"),
    row<&Kernel::fsync>("fsync"),
    row<&Kernel::fdatasync>("fdatasync"),
    row<&Kernel::setfl>("setfl"),
    row<&Kernel::clock_gettime>("clockGettime"),
    row<&Kernel::clock_getres>("clockGetres"),
    row<&Kernel::getrandom>("getrandom"),
    row<&Kernel::sched_yield>("schedYield"),
    row<&Kernel::prctl>("prctl"),
    row<&Kernel::setrlimit>("setrlimit"),
    row<&Kernel::open_path>("openPath"),
    row<&Kernel::landlock_create_ruleset>("landlockCreateRuleset"),
    row<&Kernel::landlock_add_path>("landlockAddPath"),
    row<&Kernel::landlock_add_port>("landlockAddPort"),
    row<&Kernel::landlock_restrict_self>("landlockRestrictSelf"),
    row<&Kernel::seccomp_filter>("seccompFilter"),
};

/** What is made for every message or event. */
const napi_property_descriptor kHotRows[] = {
    hot_row<&Kernel::recv>("recv"),
    hot_row<&Kernel::send>("send"),
    hot_row<&Kernel::submit>("submit"),
    hot_row<&Kernel::epoll_pwait>("epollPwait"),
    hot_row<&Kernel::epoll_pwait2>("epollPwait2"),
    hot_row<&Kernel::read>("read"),
    hot_row<&Kernel::write>("write"),
    hot_row<&Kernel::memcmp>("memcmp"),
};

/** Exports the hot calls, and the registers that they find their numbers in. */
void export_hot(napi_env env, napi_value exports) {
  void* registers;
  napi_value buffer;
  napi_ref kept;
  if (napi_create_arraybuffer(env, sizeof(bind::Registers), &registers, &buffer) != napi_ok) return;
  // As long as the environment: the calls hold its address, and nothing that V8 sees.
  napi_create_reference(env, buffer, 1, &kept);
  napi_set_named_property(env, exports, "registers", buffer);
  for (napi_property_descriptor row : kHotRows) {
    row.data = registers;
    napi_define_properties(env, exports, 1, &row);
  }
}

Napi::Value abi_layout(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), probe::abi_layout());
}

Napi::Value errno_names(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), probe::errno_names());
}

/**
 * Node-API has no call for it. V8 does it when it hears of more memory behind the heap's objects
 * than a heap may have, and shrinks the heap besides; what it heard is taken back at once.
 */
void collect_garbage(const Napi::CallbackInfo& info) {
  constexpr int64_t kMoreThanAnyHeap = int64_t{1} << 40;
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), kMoreThanAnyHeap);
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), -kMoreThanAnyHeap);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  napi_define_properties(env, exports, sizeof(kRows) / sizeof(kRows[0]), kRows);
  export_hot(env, exports);
  exports.Set("collectGarbage", Napi::Function::New<collect_garbage>(env, "collectGarbage"));
  exports.Set("abiLayout", Napi::Function::New<abi_layout>(env, "abiLayout"));
  exports.Set("errnoNames", Napi::Function::New<errno_names>(env, "errnoNames"));
  return exports;
}

NODE_API_MODULE(sandpoll, init)

}  // namespace

}  // namespace sandpoll

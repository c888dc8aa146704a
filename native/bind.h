#pragma once

/**
 * From JavaScript's arguments to a method of the core and back, decided at compile time from the
 * method's own parameter types. Plain Node-API: the wrapper classes of node-addon-api cost more
 * than many of the system calls. An argument of the wrong type answers `-EINVAL`.
 */

#include <node_api.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/kernel.h"

namespace sandpoll::bind {

/** The one kernel that every environment of this process shares. */
extern Kernel& kernel;

inline bool narrow(int64_t wide, int64_t& out) {
  out = wide;
  return true;
}

/** 32 bits, written as a signed or as an unsigned number. */
inline bool narrow(int64_t wide, int32_t& out) {
  out = static_cast<int32_t>(wide);
  return wide >= INT32_MIN && wide <= UINT32_MAX;
}

inline bool narrow(int64_t wide, uint32_t& out) {
  out = static_cast<uint32_t>(wide);
  return wide >= INT32_MIN && wide <= UINT32_MAX;
}

template <typename Argument>
constexpr bool is_number = std::is_integral_v<Argument>;

/** Any number, as Node-API has it: fractions are cut off, what is not finite counts as 0. */
template <typename Number>
inline std::enable_if_t<is_number<Number>, bool> read(napi_env env, napi_value value, Number& out) {
  int64_t wide;
  return napi_get_value_int64(env, value, &wide) == napi_ok && narrow(wide, out);
}

/** An ArrayBuffer, or a `Uint8Array` over one or over a SharedArrayBuffer. */
inline bool read(napi_env env, napi_value value, Bytes& out) {
  napi_typedarray_type type;
  void* data;
  if (napi_get_arraybuffer_info(env, value, &data, &out.size) == napi_ok) {
    out.data = static_cast<uint8_t*>(data);
    return true;
  }
  if (napi_get_typedarray_info(env, value, &type, &out.size, &data, nullptr, nullptr) != napi_ok) {
    return false;
  }
  out.data = static_cast<uint8_t*>(data);
  return type == napi_uint8_array;
}

/** `Iovs` or `Operations`: a `Uint32Array`. */
template <typename Words>
inline bool read_words(napi_env env, napi_value value, Words& out) {
  napi_typedarray_type type;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &out.size, &data, nullptr, nullptr) != napi_ok) {
    return false;
  }
  out.data = static_cast<uint32_t*>(data);
  return type == napi_uint32_array;
}

inline bool read(napi_env env, napi_value value, Iovs& out) { return read_words(env, value, out); }

inline bool read(napi_env env, napi_value value, Operations& out) {
  return read_words(env, value, out);
}

/** A `SockaddrBuffer` or its ArrayBuffer, or null for none. */
inline bool read(napi_env env, napi_value value, Address& out) {
  Bytes bytes;
  if (read(env, value, bytes)) {
    out.data = bytes.data;
    return bytes.size >= kAddressBytes;
  }
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_null;
}

/**
 * Where the numbers of a hot call cross, and its answer: one for each environment. JavaScript has
 * it as an ArrayBuffer (`host/kernel/registers.ts`).
 */
struct Registers {
  double numbers[8];
  int32_t answer;
};
static_assert(offsetof(Registers, answer) == 64, "ANSWER_AT of registers.ts");

/** What 64 bits do not hold, NaN too, is no number. */
template <typename Number>
inline bool read(double number, Number& out) {
  constexpr double kEnd = 9223372036854775808.0;
  return number >= -kEnd && number < kEnd && narrow(static_cast<int64_t>(number), out);
}

/** How many of the first `count` parameters are numbers. */
template <typename... Arguments>
constexpr size_t numbers_among(size_t count) {
  constexpr bool number[] = {is_number<Arguments>...};
  size_t found = 0;
  for (size_t at = 0; at < count; at++) found += number[at];
  return found;
}

template <typename Method>
struct Caller;

template <typename... Arguments>
struct Caller<int (Kernel::*)(Arguments...)> {
  template <int (Kernel::*method)(Arguments...)>
  static int call(napi_env env, napi_callback_info info) {
    return call<method>(env, info, std::index_sequence_for<Arguments...>());
  }

  template <int (Kernel::*method)(Arguments...), size_t... at>
  static int call(napi_env env, napi_callback_info info, std::index_sequence<at...>) {
    size_t count = sizeof...(Arguments);
    napi_value given[sizeof...(Arguments) + 1];
    std::tuple<Arguments...> arguments;
    if (napi_get_cb_info(env, info, &count, given, nullptr, nullptr) != napi_ok) return -EINVAL;
    if (!(read(env, given[at], std::get<at>(arguments)) && ...)) return -EINVAL;
    return (kernel.*method)(std::get<at>(arguments)...);
  }

  static constexpr size_t kCount = sizeof...(Arguments);
  static constexpr size_t kNumbers = numbers_among<Arguments...>(kCount);

  template <int (Kernel::*method)(Arguments...)>
  static void call_hot(napi_env env, napi_callback_info info) {
    napi_value objects[kCount - kNumbers];
    size_t count = kCount - kNumbers;
    void* data;
    if (napi_get_cb_info(env, info, &count, objects, nullptr, &data) != napi_ok) return;
    auto* registers = static_cast<Registers*>(data);
    constexpr auto all = std::make_index_sequence<kCount>();
    registers->answer = call_hot<method>(env, objects, *registers, all);
  }

  template <int (Kernel::*method)(Arguments...), size_t... at>
  static int call_hot(napi_env env, const napi_value* objects, const Registers& registers,
                      std::index_sequence<at...>) {
    std::tuple<Arguments...> arguments;
    if (!(read_hot<at>(env, objects, registers, std::get<at>(arguments)) && ...)) return -EINVAL;
    return (kernel.*method)(std::get<at>(arguments)...);
  }

  template <size_t at, typename Argument>
  static bool read_hot(napi_env env, const napi_value* objects, const Registers& registers,
                       Argument& out) {
    constexpr size_t before = numbers_among<Arguments...>(at);
    if constexpr (is_number<Argument>) {
      return read(registers.numbers[before], out);
    } else {
      return read(env, objects[at - before], out);
    }
  }
};

/** The JavaScript function for one method of the core. */
template <auto method>
napi_value call(napi_env env, napi_callback_info info) {
  const int result = Caller<decltype(method)>::template call<method>(env, info);
  napi_value value = nullptr;
  napi_create_int32(env, result, &value);
  return value;
}

/**
 * The same for a call that is made for every message: its numbers are in the registers. All that
 * it calls is one piece of code: the returns that a processor has to guess anew after a system
 * call cost more than the work.
 */
template <auto method>
[[gnu::flatten]] napi_value call_hot(napi_env env, napi_callback_info info) {
  Caller<decltype(method)>::template call_hot<method>(env, info);
  return nullptr;
}

}  // namespace sandpoll::bind

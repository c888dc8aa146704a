#pragma once

/**
 * From JavaScript's arguments to a method of the core and back, decided at compile time from the
 * method's own parameter types. Plain Node-API: the wrapper classes of node-addon-api cost more
 * than many of the system calls. An argument of the wrong type answers `-EINVAL`.
 */

#include <node_api.h>

#include <cerrno>
#include <cstdint>
#include <tuple>
#include <utility>

#include "core/kernel.h"

namespace sandpoll::bind {

/** The one kernel that every environment of this process shares. */
extern Kernel& kernel;

/** Any number, as Node-API has it: fractions are cut off, what is not finite counts as 0. */
inline bool read(napi_env env, napi_value value, int64_t& out) {
  return napi_get_value_int64(env, value, &out) == napi_ok;
}

/** 32 bits, written as a signed or as an unsigned number. */
inline bool read(napi_env env, napi_value value, int32_t& out) {
  int64_t wide;
  if (!read(env, value, wide) || wide < INT32_MIN || wide > UINT32_MAX) return false;
  out = static_cast<int32_t>(wide);
  return true;
}

inline bool read(napi_env env, napi_value value, uint32_t& out) {
  int32_t bits;
  if (!read(env, value, bits)) return false;
  out = static_cast<uint32_t>(bits);
  return true;
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
};

/** The JavaScript function for one method of the core. */
template <auto method>
napi_value call(napi_env env, napi_callback_info info) {
  const int result = Caller<decltype(method)>::template call<method>(env, info);
  napi_value value = nullptr;
  napi_create_int32(env, result, &value);
  return value;
}

}  // namespace sandpoll::bind

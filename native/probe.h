#pragma once

#include <string>

namespace sandpoll::probe {

/** JSON: `{"iovec":{"size":8,"align":4,"fields":{"buf":0,"len":4}},…}`, sizes in bytes. */
std::string abi_layout();

/** JSON: `{"EPERM":1,…}`, every constant of `errno.h`, aliases too. */
std::string errno_names();

}  // namespace sandpoll::probe

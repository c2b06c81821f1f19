// The kernel's errors as KJ's exceptions, in one place: what means that the other side is gone is
// DISCONNECTED, what may pass is OVERLOADED, the rest is FAILED.
#pragma once

#include <kj/exception.h>

namespace coord::rpc {

kj::Exception system_error(const char* operation, int error);

// Throws what errno says if a system call has failed.
void require_success(const char* operation, int result);

}  // namespace coord::rpc

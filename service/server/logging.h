// coordd's log: lines on standard error, for people or, with `json`, one object a line.
#pragma once

#include "raft/base/result.h"
#include "service/server/config.h"

namespace coord::service {

// Sets up what spdlog's free functions write to.
void set_up_logging(const ServerConfig& config);

// One line and the end of the process, for what cannot be gone on with: a disk that failed, or a
// state that is not the others'. Nothing is destroyed on the way: threads may be in the middle of
// the very write that failed.
[[noreturn]] void die(const Error& error);

}  // namespace coord::service

// The time as this member's service sees it: the loop's, or a simulation's.
#pragma once

#include <kj/timer.h>

#include <cstdint>
#include <functional>

#include "raft/base/types.h"

namespace coord::service {

struct Clock {
  kj::Timer& timer;
  // The loop's monotonic time; what deadlines are counted in.
  std::function<Instant()> now;
  // The wall clock, in ms since 1970. For people only: nothing is decided by it.
  std::function<std::uint64_t()> wall_ms;
};

}  // namespace coord::service

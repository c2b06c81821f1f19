// Makes sure that a turn of the loop happens at a given time at the latest.
#pragma once

#include <kj/timer.h>

#include <algorithm>
#include <optional>

#include "raft/base/types.h"
#include "schema/rpc/task.h"

namespace coord::service {

class Alarm {
 public:
  explicit Alarm(kj::Timer& timer) : timer_(timer) {}

  // A turn that comes too early does no harm, so a timer that is set already is kept when the time
  // moves back, as it does with every heartbeat. Not from within the turn's own KJ events.
  void set(Instant now, Instant when) {
    if (set_for_ && *set_for_ <= when && *set_for_ > now) return;
    set_for_ = when;
    const auto wait = std::max<std::int64_t>((when - now).count(), 0);
    ringing_.emplace(ring(wait));
  }

 private:
  rpc::Task<void> ring(std::int64_t wait) {
    co_await timer_.afterDelay(wait * kj::NANOSECONDS);
    set_for_.reset();
  }

  kj::Timer& timer_;
  std::optional<Instant> set_for_;
  std::optional<rpc::Task<void>> ringing_;
};

}  // namespace coord::service

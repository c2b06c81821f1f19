// The time that leases live by: monotonic time, less the time in which this process stood still.
//
// A process that was stopped, or whose loop was starved, finds the renewals of that time waiting in
// its sockets when it goes on. Were that time to count, leases would end for want of renewals that
// had long arrived. So of a gap between two looks at the time only `gap_max` counts, and after it
// nothing ends for a while. A process that is starved all the time still gets on: its leases' time
// runs at a rate of at least gap_max to the usual gap, and for half of it leases may end.
#pragma once

#include "raft/base/types.h"

namespace coord::service {

class LeaseClock {
 public:
  struct Options {
    Duration gap_max;  // between two looks at the time; a longer one is a stall
    Duration grace;
  };
  explicit LeaseClock(Options options) : options_(options) {}

  // From now on the time is looked at regularly.
  void begin(Instant monotonic) {
    regular_ = true;
    seen_ = monotonic;
    quiet_until_ = monotonic - stalled_ + options_.grace;
  }
  void end() { regular_ = false; }

  // A look at the time: the leases' time now.
  Instant observe(Instant monotonic) {
    if (regular_) {
      const Duration gap = monotonic - seen_;
      seen_ = monotonic;
      if (gap > options_.gap_max) {
        stalled_ += gap - options_.gap_max;
        ++stalls_;
        const Instant now = monotonic - stalled_;
        if (now >= quiet_until_ + options_.grace) quiet_until_ = now + options_.grace;
      }
    }
    return monotonic - stalled_;
  }

  // Nothing may end before that time of the leases.
  Instant quiet_until() const { return quiet_until_; }
  Instant monotonic(Instant lease_time) const { return lease_time + stalled_; }
  std::uint64_t stalls() const { return stalls_; }

 private:
  const Options options_;
  bool regular_ = false;
  Instant seen_{};
  Duration stalled_{0};
  Instant quiet_until_{};
  std::uint64_t stalls_ = 0;
};

}  // namespace coord::service

// Whether a loop that has nothing to do looks for work for a moment before it sleeps.
//
// Who sleeps is woken late: its processor sleeps as well, and takes 20 to 50 us to wake up on a
// virtual machine, no less out of a deep sleep state. In the path of one write that comes half a
// dozen times, and is more than what the members compute. A loop that looks has what it waits for
// at once. Between two looks it yields its processor, so that who has work to do is not kept from
// it: in its own control group, that is. Beyond that the kernel shares by time alone.
//
// It would be in vain where waits are longer, and cost a processor: so only while most of them are
// shorter. And who yields on a crowded machine comes back when the others' time slices have passed,
// while who is woken goes first: so not for some time after that, and for ever longer while it goes
// on.
#pragma once

#include <algorithm>

#include "raft/base/types.h"

namespace coord::rpc {

class BusyPoll {
 public:
  // A yield that lasts so long was not for a moment's work, but for somebody who computes.
  static constexpr Duration kCrowdedYield = microseconds(500);
  static constexpr Duration kCrowdedTime = milliseconds(100);
  static constexpr Duration kCrowdedTimeMax = seconds(5);
  // Longer than a sync of a good disk, and than another member in the same place takes to answer.
  static constexpr Duration kUsual = microseconds(400);

  // Looks for at most so long at a time; zero: never.
  explicit BusyPoll(Duration most = {}) : most_(most) {}

  // How long to look before a wait that begins now; zero: not at all.
  Duration window(Instant now) const {
    return mean_wait_ < most_ && now >= not_before_ ? most_ : Duration(0);
  }

  // A wait has taken so long, looking and asleep.
  void note_wait(Duration time) { mean_wait_ += (time - mean_wait_) / 8; }
  // Others have had the processor from `begun` to `ended`.
  void note_yield(Instant begun, Instant ended) {
    if (ended - begun < kCrowdedYield) return;
    const bool again = begun < not_before_ + crowded_time_;
    crowded_time_ = again ? std::min(2 * crowded_time_, kCrowdedTimeMax) : kCrowdedTime;
    not_before_ = ended + crowded_time_;
  }

 private:
  Duration most_;
  // Of the last waits, each counting seven eighths of the one after it. Long, until there are some.
  Duration mean_wait_ = seconds(1);
  Instant not_before_{};
  Duration crowded_time_{0};
};

}  // namespace coord::rpc

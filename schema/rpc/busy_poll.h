// Whether a loop that has nothing to do looks for work for a moment before it sleeps.
//
// Who sleeps is woken late: its processor sleeps as well, and takes 20 to 50 us to wake up on a
// virtual machine, no less out of a deep sleep state. In the path of one write that comes half a
// dozen times, and is more than what the members compute. A loop that looks has what it waits for
// at once. Between two looks it yields its processor, so that who has work to do is not kept from
// it.
//
// It would be in vain where there is little to do, and cost a processor: so only while the waits
// are short. And who yields on a crowded machine comes back when the others' time slices have
// passed, while who is woken goes first: so not for some time after that.
#pragma once

#include "raft/base/types.h"

namespace coord::rpc {

class BusyPoll {
 public:
  // A yield that lasts so long was not for a moment's work, but for somebody who computes.
  static constexpr Duration kCrowdedYield = microseconds(500);
  static constexpr Duration kCrowdedTime = milliseconds(100);

  // Looks for at most so long at a time; zero: never.
  explicit BusyPoll(Duration most = {}) : most_(most) {}

  // How long to look before a wait that begins now; zero: not at all.
  Duration window(Instant now) const {
    return mean_wait_ < 2 * most_ && now >= not_before_ ? most_ : Duration(0);
  }

  // A wait has taken so long, looking and asleep.
  void note_wait(Duration time) { mean_wait_ += (time - mean_wait_) / 8; }
  // Others have had the processor from `begun` to `ended`.
  void note_yield(Instant begun, Instant ended) {
    if (ended - begun >= kCrowdedYield) not_before_ = ended + kCrowdedTime;
  }

 private:
  Duration most_;
  // Of the last waits, each counting seven eighths of the one after it. Long, until there are some.
  Duration mean_wait_ = seconds(1);
  Instant not_before_{};
};

}  // namespace coord::rpc

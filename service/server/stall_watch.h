// The longest turn of the loop in the last minute or so: what every request had to wait for.
#pragma once

#include <algorithm>

#include "raft/base/types.h"

namespace coord::service {

class StallWatch {
 public:
  static constexpr Duration kWindow = seconds(30);

  void note(Instant now, Duration longest_turn) {
    if (now - began_ >= kWindow) {
      before_ = current_;
      current_ = Duration(0);
      began_ = now;
    }
    current_ = std::max(current_, longest_turn);
  }
  microseconds longest() const {
    return std::chrono::duration_cast<microseconds>(std::max(before_, current_));
  }

 private:
  Instant began_{};
  Duration before_{0};
  Duration current_{0};
};

}  // namespace coord::service

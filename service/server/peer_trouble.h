// What is wrong with another member, told once and then from time to time: it is met again at every
// redial.
#pragma once

#include <spdlog/spdlog.h>

#include <map>

#include "raft/base/error.h"

namespace coord::service {

class PeerTrouble {
 public:
  static constexpr Duration kAgain = seconds(10);

  void report(Instant now, MemberId peer, const Error& error) {
    const auto [last, first] = last_.try_emplace(peer, now);
    if (!first && now - last->second < kAgain) return;
    last->second = now;
    spdlog::warn("member {}: {}", peer, error.message);
  }

 private:
  std::map<MemberId, Instant> last_;
};

}  // namespace coord::service

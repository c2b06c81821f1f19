// What is wrong with another member, told once and then from time to time: it is met again at every
// redial.
#pragma once

#include <spdlog/spdlog.h>

#include <cstddef>
#include <map>

#include "raft/base/error.h"

namespace coord::service {

class PeerTrouble {
 public:
  static constexpr Duration kAgain = seconds(10);
  // Also in that time: whoever comes with ever new numbers is not told of for ever.
  static constexpr std::size_t kPeersMax = 64;

  void report(Instant now, MemberId peer, const Error& error) {
    if (is_due(now, peer)) spdlog::warn("member {}: {}", peer, error.message);
  }
  // Counts as told if so.
  bool is_due(Instant now, MemberId peer) {
    std::erase_if(last_, [&](const auto& told) { return now - told.second >= kAgain; });
    return last_.size() < kPeersMax && last_.try_emplace(peer, now).second;
  }

 private:
  std::map<MemberId, Instant> last_;  // of the last kAgain
};

}  // namespace coord::service

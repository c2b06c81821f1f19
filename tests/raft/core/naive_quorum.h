// What a quorum is, counted as a person would: not the core's arithmetic, which is what is tested.
#pragma once

#include <set>

#include "raft/core/configuration.h"

namespace coord::raft {

inline bool has_majority(const std::vector<MemberId>& voters, const std::set<MemberId>& members) {
  std::size_t count = 0;
  for (const MemberId voter : voters) count += members.count(voter);
  return count * 2 > voters.size();
}

// More than half of the voters and, in a joint configuration, more than half of the outgoing ones.
inline bool is_quorum(const Configuration& configuration, const std::set<MemberId>& members) {
  return !configuration.voters.empty() && has_majority(configuration.voters, members) &&
         (configuration.outgoing.empty() || has_majority(configuration.outgoing, members));
}

}  // namespace coord::raft

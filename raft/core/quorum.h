// What a majority is (Raft §3.3), also while two configurations are in force at once: then every
// decision needs a majority of the new voters and a majority of the old ones, never one of their
// union (Raft §4.3). Elections, commitment, CheckQuorum and read rounds all ask here.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <vector>

#include "raft/base/check.h"
#include "raft/base/limits.h"
#include "raft/core/configuration.h"

namespace coord::raft {

enum class VoteResult : std::uint8_t { kPending, kWon, kLost };

// What is to be said of an election while `votes` (true: granted) are in. Votes of others than
// voters do not count. Without a single voter nothing is ever won.
VoteResult count_votes(const Configuration& configuration, const std::map<MemberId, bool>& votes);

// True if `id` alone is a majority.
bool decides_alone(const Configuration& configuration, MemberId id);

namespace internal {
template <class T, class ValueOf>
T reached_by_majority(const std::vector<MemberId>& voters, const ValueOf& value_of) {
  CHECK_LE(voters.size(), limits::kVotersMax);
  std::array<T, limits::kVotersMax> values;
  const auto end = std::transform(voters.begin(), voters.end(), values.begin(), value_of);
  // Descending, the value at position n/2 is the largest that n/2 + 1 voters have reached.
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(voters.size() / 2);
  std::nth_element(values.begin(), middle, end, std::greater<T>());
  return *middle;
}
}  // namespace internal

// The largest value that a majority has reached, where value_of(MemberId) grows over time: an index
// that is stored, a round that is acknowledged, an instant of last contact. `nothing` if there are
// no voters.
template <class T, class ValueOf>
T reached_by_quorum(const Configuration& configuration, T nothing, const ValueOf& value_of) {
  if (configuration.voters.empty()) return nothing;
  const T incoming = internal::reached_by_majority<T>(configuration.voters, value_of);
  if (!configuration.is_joint()) return incoming;
  return std::min(incoming, internal::reached_by_majority<T>(configuration.outgoing, value_of));
}

}  // namespace coord::raft

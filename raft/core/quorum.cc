#include "raft/core/quorum.h"

namespace coord::raft {

namespace {

VoteResult count_half(const std::vector<MemberId>& voters, const std::map<MemberId, bool>& votes) {
  std::size_t granted = 0;
  std::size_t refused = 0;
  for (const MemberId voter : voters) {
    const auto vote = votes.find(voter);
    if (vote == votes.end()) continue;
    ++(vote->second ? granted : refused);
  }
  const std::size_t majority = voters.size() / 2 + 1;
  if (granted >= majority) return VoteResult::kWon;
  if (voters.size() - refused < majority) return VoteResult::kLost;
  return VoteResult::kPending;
}

}  // namespace

VoteResult count_votes(const Configuration& configuration, const std::map<MemberId, bool>& votes) {
  const VoteResult incoming = count_half(configuration.voters, votes);
  if (!configuration.is_joint()) return incoming;
  const VoteResult outgoing = count_half(configuration.outgoing, votes);
  if (incoming == VoteResult::kLost || outgoing == VoteResult::kLost) return VoteResult::kLost;
  if (incoming == VoteResult::kWon && outgoing == VoteResult::kWon) return VoteResult::kWon;
  return VoteResult::kPending;
}

bool decides_alone(const Configuration& configuration, MemberId id) {
  return count_votes(configuration, {{id, true}}) == VoteResult::kWon;
}

}  // namespace coord::raft

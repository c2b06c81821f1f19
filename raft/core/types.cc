#include "raft/core/types.h"

#include <algorithm>
#include <iterator>

namespace coord::raft {

namespace {
bool has(const std::vector<MemberId>& ids, MemberId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}
}  // namespace

bool Configuration::is_voter(MemberId id) const {
  return has(voters, id) || has(outgoing, id);
}

bool Configuration::contains(MemberId id) const {
  return is_voter(id) || has(learners, id);
}

std::vector<MemberId> Configuration::members() const {
  std::vector<MemberId> all;
  all.reserve(voters.size() + outgoing.size() + learners.size());
  all.insert(all.end(), voters.begin(), voters.end());
  all.insert(all.end(), outgoing.begin(), outgoing.end());
  all.insert(all.end(), learners.begin(), learners.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::string_view to_string(RoleName role) {
  switch (role) {
    case RoleName::kFollower:
      return "follower";
    case RoleName::kPreCandidate:
      return "precandidate";
    case RoleName::kCandidate:
      return "candidate";
    case RoleName::kLeader:
      return "leader";
  }
  return "?";
}

}  // namespace coord::raft

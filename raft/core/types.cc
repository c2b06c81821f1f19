#include "raft/core/types.h"

namespace coord::raft {

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

#include "raft/core/invariants.h"

#include <utility>

namespace coord::raft {

namespace {

class Findings {
 public:
  template <class... Args>
  void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (!holds) [[unlikely]]
      broken_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  std::vector<std::string> take() { return std::move(broken_); }

 private:
  std::vector<std::string> broken_;
};

void check_moment(const CoreStatus& now, Findings& findings) {
  findings.require(now.applied <= now.commit, "applied {} is beyond the commit index {}",
                   now.applied, now.commit);
  findings.require(now.applied <= now.durable, "applied {} is beyond what is durable here, {}",
                   now.applied, now.durable);
  findings.require(now.commit <= now.last.index, "the commit index {} is beyond the last entry {}",
                   now.commit, now.last);
  findings.require(now.durable <= now.last.index, "durable {} is beyond the last entry {}",
                   now.durable, now.last);
  findings.require(now.last.term <= now.term, "the last entry {} is of a term after {}", now.last,
                   now.term);
  findings.require(!now.confirmed || now.role == RoleName::kLeader,
                   "leadership is confirmed in the role of a {}", to_string(now.role));
}

void check_leader(const CoreStatus& now, Findings& findings) {
  findings.require(now.leader == now.self, "a leader takes {} for the leader", now.leader);
  findings.require(now.vote == now.self, "a leader has voted for {}", now.vote);
  findings.require(now.last.term == now.term, "a leader of term {} has no entry of it: {}",
                   now.term, now.last);
  for (const auto& [id, peer] : now.peers) {
    findings.require(peer.match < peer.next, "peer {}: match {} is not below next {}", id,
                     peer.match, peer.next);
    findings.require(peer.match <= now.last.index, "peer {}: match {} is beyond the last entry {}",
                     id, peer.match, now.last);
    findings.require(peer.next.prev() <= now.last.index, "peer {}: next {} is beyond the end, {}",
                     id, peer.next, now.last);
  }
}

void check_same_term(const CoreStatus& now, const CoreStatus& before, Findings& findings) {
  findings.require(before.vote.is_zero() || before.vote == now.vote,
                   "voted for {} and for {} in term {}", before.vote, now.vote, now.term);
  findings.require(before.leader.is_zero() || now.leader.is_zero() || before.leader == now.leader,
                   "two leaders of term {}: {} and {}", now.term, before.leader, now.leader);
  if (before.role == RoleName::kLeader && now.role == RoleName::kLeader) {
    findings.require(before.last.index <= now.last.index, "a leader cut its log from {} to {}",
                     before.last, now.last);
    findings.require(!before.confirmed || now.confirmed, "a leadership was unconfirmed again");
    for (const auto& [id, peer] : now.peers) {
      const auto known = before.peers.find(id);
      findings.require(known == before.peers.end() || known->second.match <= peer.match,
                       "peer {}: match fell to {}", id, peer.match);
    }
  }
  findings.require(before.role == RoleName::kLeader || before.role == RoleName::kCandidate ||
                       now.role != RoleName::kLeader,
                   "a {} became leader within a term", to_string(before.role));
}

}  // namespace

std::vector<std::string> check_invariants(const CoreStatus& now, const CoreStatus& before) {
  Findings findings;
  check_moment(now, findings);
  if (now.role == RoleName::kLeader) {
    check_leader(now, findings);
  } else {
    findings.require(now.peers.empty(), "a {} keeps a leader's data", to_string(now.role));
  }
  findings.require(before.term <= now.term, "the term fell from {} to {}", before.term, now.term);
  findings.require(before.commit <= now.commit, "the commit index fell from {} to {}",
                   before.commit, now.commit);
  findings.require(before.applied <= now.applied, "the applied index fell from {} to {}",
                   before.applied, now.applied);
  findings.require(before.held_by_all <= now.held_by_all, "held_by_all fell from {} to {}",
                   before.held_by_all, now.held_by_all);
  if (before.term == now.term) check_same_term(now, before, findings);
  return findings.take();
}

}  // namespace coord::raft

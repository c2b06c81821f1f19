// What must hold in every state (Raft figure 3.2, and what the proofs of it rest on).
#include <algorithm>

#include "raft/core/describe.h"
#include "tests/raft/core/exhaustive/search.h"
#include "tests/raft/core/naive_quorum.h"

namespace coord::raft::exhaustive {

namespace {

bool has(const View& view, Index index, std::uint64_t word) {
  return index.value() <= view.log_words.size() && view.log_words[index.value() - 1] == word;
}

bool has_durably(const View& view, LogId id) {
  return id.index.value() <= view.durable.size() && view.durable[id.index.value() - 1] == id;
}

}  // namespace

std::string Search::judge(const State& before, State& after, std::size_t place) {
  const View& now = view(after, place);
  const CoreStatus& status = now.status;
  const CoreStatus& earlier = view(before, place).status;
  const bool leads = status.role == RoleName::kLeader;
  const bool elected = leads && (earlier.role != RoleName::kLeader || earlier.term != status.term);
  if (elected || status.commit > earlier.commit) {
    Past past = pasts_[before.past];
    if (elected) {
      MemberId& leader = past.leaders[status.term.value()];
      if (!leader.is_zero() && leader != status.self) {
        return fmt::format("leads term {}, as {} did (Election Safety)", status.term, leader);
      }
      leader = status.self;
      for (const Past::Committed& committed : past.committed) {
        if (committed.seen_in < status.term && !has(now, committed.id.index, committed.word)) {
          return fmt::format("leads term {} without {}, committed in term {} (Leader Completeness)",
                             status.term, committed.id, committed.seen_in);
        }
      }
    }
    if (std::string broken = judge_commit(before, after, place, past); !broken.empty()) {
      return broken;
    }
    after.past = keep(std::move(past));
  }
  for (std::size_t other = 0; other < kMembers; ++other) {
    if (other == place) continue;
    const std::uint64_t key = std::uint64_t{after.members[place]} << 32 | after.members[other];
    const auto [known, added] = pairs_.emplace(key, true);
    if (!added) continue;
    if (std::string broken = judge_pair(now, view(after, other)); !broken.empty()) return broken;
  }
  return {};
}

std::string Search::judge_commit(const State& before, const State& after, std::size_t place,
                                 Past& past) {
  const View& now = view(after, place);
  const CoreStatus& earlier = view(before, place).status;
  for (Index index = earlier.commit.next(); index <= now.status.commit; ++index) {
    const LogId id = now.log[index.value() - 1];
    const std::uint64_t word = now.log_words[index.value() - 1];
    if (index.value() <= past.committed.size()) {
      const Past::Committed& known = past.committed[index.value() - 1];
      if (known.word == word) continue;
      return fmt::format("takes {} for committed, others {} (State Machine Safety)", id, known.id);
    }
    std::set<MemberId> holders;
    for (std::size_t other = 0; other < kMembers; ++other) {
      if (has_durably(view(after, other), id)) holders.insert(MemberId(other + 1));
    }
    const bool appended_now = index > earlier.last.index;
    if (!is_quorum(earlier.configuration, holders) &&
        !(appended_now && is_quorum(now.status.configuration, holders))) {
      return fmt::format("takes {} for committed, which no quorum of {} has durably", id,
                         describe(earlier.configuration));
    }
    past.committed.push_back({id, word, now.status.term});
    for (std::size_t other = 0; other < kMembers; ++other) {
      const View& leader = view(after, other);
      if (leader.status.role == RoleName::kLeader && leader.status.term > now.status.term &&
          !has(leader, index, word)) {
        return fmt::format(
            "{} is committed in term {}, and {} leads term {} without it (Leader "
            "Completeness)",
            id, now.status.term, leader.status.self, leader.status.term);
      }
    }
  }
  return {};
}

std::string Search::judge_pair(const View& one, const View& other) const {
  // Where two logs have an entry in common, they have all before it in common (Log Matching).
  bool same = true;
  const std::size_t both = std::min(one.log.size(), other.log.size());
  for (std::size_t i = 0; i < both; ++i) {
    const bool same_id = one.log[i] == other.log[i];
    const bool same_word = one.log_words[i] == other.log_words[i];
    if (same_id && (!same || !same_word)) {
      return fmt::format("shares {} with member {}, but not all before it (Log Matching)",
                         one.log[i], other.status.self);
    }
    same = same && same_id;
  }
  // What a leader counts on is there.
  for (const auto& [leader, peer] : {std::pair(&one, &other), std::pair(&other, &one)}) {
    const auto progress = leader->status.peers.find(peer->status.self);
    if (progress == leader->status.peers.end()) continue;
    const Index match = progress->second.match;
    if (peer->status.term != leader->status.term)
      continue;  // its log may be another leader's by now
    if (!match.is_zero() && !has_durably(*peer, leader->log[match.value() - 1])) {
      return fmt::format("member {} counts on {} at member {}, which does not have that durably",
                         leader->status.self, leader->log[match.value() - 1], peer->status.self);
    }
  }
  return {};
}

}  // namespace coord::raft::exhaustive

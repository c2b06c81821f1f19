// The clever structures of the core beside slow, obvious ones.
#include <algorithm>
#include <set>

#include "raft/core/memory_log.h"
#include "raft/core/quorum.h"
#include "tests/raft/core/naive_quorum.h"
#include "tests/raft/core/property.h"

namespace coord::raft {
namespace {

constexpr int kQuorumCases = 50'000;

// --- Quorums: a set of members is a quorum if it holds more than half of each half ---------------

Configuration any_configuration() {
  Configuration configuration;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    if (*rc::gen::inRange(0, 2) == 0) configuration.voters.emplace_back(i);
  }
  if (*rc::gen::arbitrary<bool>()) {
    for (std::uint64_t i = 1; i <= 9; ++i) {
      if (*rc::gen::inRange(0, 2) == 0) configuration.outgoing.emplace_back(i);
    }
  }
  configuration.learners.emplace_back(10);
  return configuration;
}

COORD_PROPERTY(QuorumTwin, ReachedByQuorum_IsTheLargestValueThatAQuorumHas, kQuorumCases) {
  const Configuration configuration = any_configuration();
  std::map<MemberId, Index> match;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    match[MemberId(i)] = Index(*rc::gen::inRange<std::uint64_t>(0, 6));
  }
  Index expected{};
  for (Index index(1); index <= Index(6); ++index) {
    std::set<MemberId> reached;
    for (const auto& [id, value] : match) {
      if (value >= index) reached.insert(id);
    }
    if (is_quorum(configuration, reached)) expected = index;
  }
  const auto value_of = [&](MemberId id) { return match.at(id); };
  RC_ASSERT(reached_by_quorum(configuration, Index{}, value_of) == expected);
}

COORD_PROPERTY(QuorumTwin, Votes_AreWonOrLost_WhenTheRestCannotChangeIt, kQuorumCases) {
  const Configuration configuration = any_configuration();
  std::map<MemberId, bool> votes;
  for (std::uint64_t i = 1; i <= 11; ++i) {
    const int vote = *rc::gen::inRange(0, 3);
    if (vote < 2) votes[MemberId(i)] = vote == 1;
  }
  std::set<MemberId> granted;
  std::set<MemberId> not_refused;
  for (std::uint64_t i = 1; i <= 11; ++i) {
    const auto vote = votes.find(MemberId(i));
    if (vote != votes.end() && vote->second) granted.insert(MemberId(i));
    if (vote == votes.end() || vote->second) not_refused.insert(MemberId(i));
  }
  const VoteResult expected = is_quorum(configuration, granted)       ? VoteResult::kWon
                              : is_quorum(configuration, not_refused) ? VoteResult::kPending
                                                                      : VoteResult::kLost;
  RC_ASSERT(count_votes(configuration, votes) == expected);
}

COORD_PROPERTY(QuorumTwin, TwoQuorums_AlwaysMeet, kQuorumCases) {
  const Configuration configuration = any_configuration();
  std::set<MemberId> one;
  std::set<MemberId> other;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    (*rc::gen::arbitrary<bool>() ? one : other).insert(MemberId(i));
  }
  RC_ASSERT(!(is_quorum(configuration, one) && is_quorum(configuration, other)));
}

TEST(Quorum, NoVoters_NothingIsEverDecided) {
  EXPECT_EQ(count_votes({}, {{MemberId(1), true}}), VoteResult::kLost);
  EXPECT_FALSE(decides_alone({}, MemberId(1)));
  EXPECT_EQ(reached_by_quorum({}, Index(0), [](MemberId) { return Index(9); }), Index(0));
}

// --- The log in memory beside a vector of everything ---------------------------------------------

struct LogTwin {
  std::vector<Entry> all;  // from index 1
  Index base{};

  std::size_t bytes() const {
    std::size_t bytes = 0;
    for (const Entry& entry : all) bytes += entry.id.index > base ? cost_of(entry) : 0;
    return bytes;
  }
};

COORD_PROPERTY(MemoryLogTwin, Log_AnswersLikeAVectorOfAll, kCases) {
  MemoryLog log({}, {});
  LogTwin twin;
  Term term(1);
  const int steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 9)) {
      case 3:
        if (*rc::gen::inRange(0, 4) == 0) {
          // What the log begins after is nowhere in it: it came with a snapshot.
          const Index base(twin.all.size() + *rc::gen::inRange<std::uint64_t>(0, 5));
          while (twin.all.size() < base.value()) {
            twin.all.push_back({{term, Index(twin.all.size() + 1)}, EntryType::kNoop, {}});
          }
          log.reset(base.is_zero() ? LogId{} : twin.all.back().id);
          twin.base = base;
        }
        break;
      case 0:
        if (!twin.all.empty() && log.last_index() > twin.base) {
          const Index from(*rc::gen::inRange(twin.base.value() + 1, log.last_index().value() + 1));
          log.truncate_from(from);
          twin.all.resize(from.value() - 1);
        }
        break;
      case 1: {
        const Index through(*rc::gen::inRange<std::uint64_t>(0, twin.all.size() + 1));
        const std::size_t bytes_max = *rc::gen::inRange<std::size_t>(0, 500);
        log.trim(bytes_max, through);
        while (twin.base < through && twin.base.value() < twin.all.size() &&
               twin.bytes() > bytes_max) {
          twin.base = twin.base.next();
        }
        break;
      }
      case 2:
        term = term + *rc::gen::inRange<std::uint64_t>(0, 3);
        break;
      default: {
        const Entry entry{{term, Index(twin.all.size() + 1)},
                          EntryType::kCommand,
                          Bytes::copy_of(std::string(*rc::gen::inRange<std::size_t>(0, 60), 'x'))};
        log.append(entry);
        twin.all.push_back(entry);
        break;
      }
    }
    RC_ASSERT(log.base().index == twin.base);
    RC_ASSERT(log.bytes() == twin.bytes());
    RC_ASSERT(log.last_index().value() == twin.all.size());
    RC_ASSERT(log.last() == (twin.all.empty() ? LogId{} : twin.all.back().id));
    const Index probe(*rc::gen::inRange<std::uint64_t>(0, twin.all.size() + 3));
    const bool known = probe >= twin.base && probe.value() <= twin.all.size();
    RC_ASSERT(log.term_at(probe).has_value() == known);
    if (known && !probe.is_zero()) {
      RC_ASSERT(log.term_at(probe) == twin.all[probe.value() - 1].id.term);
    }
    const Term at_most(*rc::gen::inRange<std::uint64_t>(0, term.value() + 2));
    LogId newest = twin.base.is_zero() ? LogId{} : twin.all[twin.base.value() - 1].id;
    for (const Entry& entry : twin.all) {
      if (entry.id.index > twin.base && entry.id.index <= probe && entry.id.term <= at_most) {
        newest = entry.id;
      }
    }
    RC_ASSERT(log.newest_not_above(probe, at_most) == newest);
    if (known && log.holds(probe)) {
      const std::size_t bytes_max = *rc::gen::inRange<std::size_t>(0, 400);
      const std::vector<Entry> slice = log.slice(probe, log.last_index(), bytes_max);
      std::size_t bytes = 0;
      RC_ASSERT(!slice.empty());
      for (std::size_t k = 0; k < slice.size(); ++k) {
        RC_ASSERT(slice[k] == twin.all[probe.value() - 1 + k]);
        bytes += cost_of(slice[k]);
      }
      RC_ASSERT(slice.size() == 1 || bytes <= bytes_max);
      const std::size_t next = probe.value() - 1 + slice.size();
      // Outside of RC_ASSERT, which evaluates both sides of ||.
      const bool is_full = next >= twin.all.size() || bytes + cost_of(twin.all[next]) > bytes_max;
      RC_ASSERT(is_full);
    }
  }
}

}  // namespace
}  // namespace coord::raft

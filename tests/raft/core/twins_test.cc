// The clever structures of the core beside slow, obvious ones.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "raft/core/durability.h"
#include "raft/core/memory_log.h"
#include "raft/core/progress.h"
#include "raft/core/quorum.h"

namespace coord::raft {
namespace {

// --- Quorums: a set of members is a quorum if it holds more than half of each half
// ----------------

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

bool is_quorum(const Configuration& configuration, const std::set<MemberId>& members) {
  const auto has_majority = [&](const std::vector<MemberId>& voters) {
    std::size_t count = 0;
    for (const MemberId voter : voters) count += members.count(voter);
    return count * 2 > voters.size();
  };
  if (configuration.voters.empty()) return false;
  return has_majority(configuration.voters) &&
         (configuration.outgoing.empty() || has_majority(configuration.outgoing));
}

RC_GTEST_PROP(QuorumTwin, ReachedByQuorum_IsTheLargestValueThatAQuorumHas, ()) {
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

RC_GTEST_PROP(QuorumTwin, Votes_AreWonOrLost_WhenTheRestCannotChangeIt, ()) {
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

RC_GTEST_PROP(QuorumTwin, TwoQuorums_AlwaysMeet, ()) {
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

RC_GTEST_PROP(MemoryLogTwin, Log_AnswersLikeAVectorOfAll, ()) {
  MemoryLog log({}, {});
  LogTwin twin;
  Term term(1);
  const int steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 8)) {
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

// --- What is durable, beside a disk that is simulated batch by batch -----------------------------

RC_GTEST_PROP(DurabilityTwin, WhatIsCalledDurable_IsOnTheDisk_NowAndAfterEveryBatchToCome, ()) {
  MemoryLog log({}, {});
  HardState hard_state;
  Durability durability(log, hard_state);
  std::vector<Entry> disk;
  std::vector<Durable> batches;
  const auto write = [](std::vector<Entry>& target, const Durable& batch) {
    if (batch.truncate_from) target.resize(batch.truncate_from->prev().value());
    target.insert(target.end(), batch.append.begin(), batch.append.end());
  };
  const int steps = *rc::gen::inRange(1, 100);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1: {
        // Two terms only, so that an entry that was overwritten often comes back.
        const Term term = std::max(log.last().term, Term(*rc::gen::inRange<std::uint64_t>(1, 3)));
        log.append({{term, log.last_index().next()}, EntryType::kNoop, {}});
        break;
      }
      case 2:
        if (!log.last_index().is_zero()) {
          const Index from(*rc::gen::inRange<std::uint64_t>(1, log.last_index().value() + 1));
          const Term floor = log.term_at(from.prev()).value();
          log.truncate_from(from);
          durability.truncated(from);
          log.append({{std::max(floor, Term(*rc::gen::inRange<std::uint64_t>(1, 3))), from},
                      EntryType::kNoop,
                      {}});
        }
        break;
      case 3:
        hard_state.term = hard_state.term + *rc::gen::inRange<std::uint64_t>(0, 2);
        if (auto batch = durability.submit(log, hard_state, Instant{})) {
          batches.push_back(std::move(*batch));
        }
        break;
      case 4:
        if (!batches.empty()) {
          const std::size_t done = *rc::gen::inRange<std::size_t>(1, batches.size() + 1);
          const Ticket ticket = batches[done - 1].ticket;
          for (std::size_t k = 0; k < done; ++k) write(disk, batches[k]);
          batches.erase(batches.begin(), batches.begin() + static_cast<std::ptrdiff_t>(done));
          durability.persisted(ticket);
        }
        break;
    }
    // A crash may leave the disk after any of the batches that are under way.
    std::vector<Entry> after = disk;
    for (std::size_t k = 0; k <= batches.size(); ++k) {
      RC_ASSERT(after.size() >= durability.durable().value());
      for (Index at(1); at <= durability.durable(); ++at) {
        RC_ASSERT(after[at.value() - 1] == log.at(at));
      }
      if (k < batches.size()) write(after, batches[k]);
    }
    if (!durability.barrier(log, hard_state)) {
      RC_ASSERT(batches.empty());
      RC_ASSERT(durability.durable() == log.last_index());
    }
  }
}

TEST(Durability, EntryThatWasOverwrittenAndCameBack_IsNotDurableByItsFirstWrite) {
  MemoryLog log({}, {});
  Durability durability(log, {});
  const auto put = [&](std::uint64_t term, std::uint64_t index) {
    if (Index(index) <= log.last_index()) {
      log.truncate_from(Index(index));
      durability.truncated(Index(index));
    }
    log.append({{Term(term), Index(index)}, EntryType::kNoop, {}});
    return durability.submit(log, {}, Instant{}).value().ticket;
  };
  put(1, 1);
  const Ticket first_life = put(1, 2);
  put(2, 2);
  const Ticket second_life = put(1, 2);
  durability.persisted(first_life);
  EXPECT_EQ(durability.durable(), Index(1)) << "the next batch takes it off the disk again";
  durability.persisted(second_life);
  EXPECT_EQ(durability.durable(), Index(2));
}

// --- The window beside a list of what is in flight -----------------------------------------------

RC_GTEST_PROP(ProgressTwin, Window_IsWhatWasSentAndNotAcknowledged, ()) {
  const Progress::Window window{.appends_max = *rc::gen::inRange<std::size_t>(1, 6),
                                .bytes_max = *rc::gen::inRange<std::size_t>(1, 300)};
  Progress progress(Index(1), window, Instant{});
  std::vector<std::pair<Index, std::size_t>> in_flight;
  Index match{};
  progress.accepted(Index(0), Instant{});
  const int steps = *rc::gen::inRange(1, 100);
  for (int i = 0; i < steps; ++i) {
    const Index next = progress.next();
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
      case 1:
        if (progress.may_send()) {
          const Index last = next + *rc::gen::inRange<std::uint64_t>(0, 3);
          const std::size_t bytes = *rc::gen::inRange<std::size_t>(1, 100);
          if (!progress.probing()) in_flight.emplace_back(last, bytes);
          progress.sent(last, bytes, Instant{});
        }
        break;
      case 2: {
        // Acknowledgements come in any order and repeatedly.
        const Index acknowledged(*rc::gen::inRange<std::uint64_t>(0, next.value()));
        RC_ASSERT(progress.accepted(acknowledged, Instant{}) == (acknowledged > match));
        match = std::max(match, acknowledged);
        std::erase_if(in_flight, [&](const auto& append) { return append.first <= acknowledged; });
        break;
      }
      case 3: {
        const Index rejected(*rc::gen::inRange<std::uint64_t>(0, next.value() + 1));
        const bool present = progress.concerns_present(rejected);
        RC_ASSERT(!present || rejected > match);
        if (present) {
          progress.go_back(std::max(match.next(), rejected));
          in_flight.clear();
        }
        break;
      }
    }
    std::size_t bytes = 0;
    for (const auto& append : in_flight) bytes += append.second;
    RC_ASSERT(progress.match() == match);
    RC_ASSERT(progress.match() < progress.next());
    RC_ASSERT(progress.inflight_appends() == in_flight.size());
    RC_ASSERT(progress.inflight_bytes() == bytes);
    if (!progress.probing()) {
      RC_ASSERT(progress.may_send() ==
                (in_flight.size() < window.appends_max && bytes < window.bytes_max));
    }
  }
}

}  // namespace
}  // namespace coord::raft

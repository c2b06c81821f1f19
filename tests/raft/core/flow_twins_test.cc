// What is on its way, to the disk and to peers, beside slow and obvious accounts of it.
#include "raft/core/durability.h"
#include "raft/core/progress.h"
#include "tests/raft/core/property.h"

namespace coord::raft {
namespace {

// --- What is durable, beside a disk that is simulated batch by batch -----------------------------

COORD_PROPERTY(DurabilityTwin, WhatIsCalledDurable_IsOnTheDisk_NowAndAfterEveryBatchToCome,
               kCases) {
  MemoryLog log({}, {});
  HardState hard_state;
  Durability durability(log, hard_state);
  struct DiskLog {
    Index base;
    std::vector<Entry> entries;
  };
  DiskLog disk;
  Index state;  // a snapshot has made everything up to here durable
  std::vector<Durable> batches;
  const auto write = [](DiskLog& target, const Durable& batch) {
    if (batch.reset_to) target = {batch.reset_to->index, {}};
    if (batch.truncate_from) {
      RC_ASSERT(*batch.truncate_from > target.base);
      target.entries.resize(*batch.truncate_from - target.base - 1);
    }
    for (const Entry& entry : batch.append) {
      RC_ASSERT(entry.id.index == target.base + target.entries.size() + 1);
      target.entries.push_back(entry);
    }
  };
  const int steps = *rc::gen::inRange(1, 100);
  for (int i = 0; i < steps; ++i) {
    switch (*rc::gen::inRange(0, 7)) {
      case 5: {
        // A snapshot beyond the log: the log begins anew after it.
        const LogId last{Term(2), log.last_index() + *rc::gen::inRange<std::uint64_t>(1, 4)};
        log.reset(last);
        durability.reset(last);
        durability.state_holds(last.index);
        state = last.index;
        break;
      }
      case 6:
        // A snapshot of something that the log has: only the state is news.
        if (log.last_index() > state) {
          state = state + *rc::gen::inRange<std::uint64_t>(1, log.last_index() - state + 1);
          durability.state_holds(state);
        }
        break;
      case 0:
      case 1: {
        // Two terms only, so that an entry that was overwritten often comes back.
        const Term term = std::max(log.last().term, Term(*rc::gen::inRange<std::uint64_t>(1, 3)));
        log.append({{term, log.last_index().next()}, EntryType::kNoop, {}});
        break;
      }
      case 2:
        // What the state has is committed.
        if (log.last_index() > std::max(state, log.base().index)) {
          const Index from(*rc::gen::inRange<std::uint64_t>(
              std::max(state, log.base().index).value() + 1, log.last_index().value() + 1));
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
    DiskLog after = disk;
    for (std::size_t k = 0; k <= batches.size(); ++k) {
      for (Index at = std::max(state, log.base().index).next(); at <= durability.durable(); ++at) {
        RC_ASSERT(at > after.base);
        RC_ASSERT(at <= after.base + after.entries.size());
        RC_ASSERT(after.entries[at - after.base - 1] == log.at(at));
      }
      if (k < batches.size()) write(after, batches[k]);
    }
    RC_ASSERT(durability.durable() >= state);
    // Nothing may leave memory that is neither on the disk nor off it for good.
    RC_ASSERT(durability.written() <= std::max(disk.base + disk.entries.size(), state));
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

COORD_PROPERTY(ProgressTwin, Window_IsWhatWasSentAndNotAcknowledged, kCases) {
  const Progress::Window window{.appends_max = *rc::gen::inRange<std::size_t>(1, 6),
                                .bytes_max = *rc::gen::inRange<std::size_t>(1, 300)};
  Progress progress(Index(1), window, Instant{});
  std::vector<std::pair<Index, std::size_t>> in_flight;
  Index match{};
  bool in_snapshot = false;
  progress.accepted(Index(0), Instant{});
  const int steps = *rc::gen::inRange(1, 100);
  for (int i = 0; i < steps; ++i) {
    const Index next = progress.next();
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
      case 1:
        if (progress.may_send()) {
          const Index last = next + *rc::gen::inRange<std::uint64_t>(0, 3);
          const std::size_t bytes = *rc::gen::inRange<std::size_t>(1, 100);
          if (!progress.probing()) in_flight.emplace_back(last, bytes);
          progress.sent(last, bytes, Instant{});
          // One probe at a time.
          if (progress.probing()) RC_ASSERT(!progress.may_send());
        }
        break;
      case 2: {
        // Acknowledgements come in any order and repeatedly; in a snapshot also from beyond.
        const std::uint64_t beyond = in_snapshot ? 5 : 0;
        const Index acknowledged(*rc::gen::inRange<std::uint64_t>(0, next.value() + beyond));
        RC_ASSERT(progress.accepted(acknowledged, Instant{}) == (acknowledged > match));
        match = std::max(match, acknowledged);
        std::erase_if(in_flight, [&](const auto& append) { return append.first <= acknowledged; });
        break;
      }
      case 3: {
        const Index rejected(*rc::gen::inRange<std::uint64_t>(0, next.value() + 1));
        const bool present = progress.concerns_present(rejected);
        RC_ASSERT(!present || rejected > match);
        RC_ASSERT(!present || !in_snapshot);
        if (present) {
          progress.go_back(std::max(match.next(), rejected));
          in_flight.clear();
        }
        break;
      }
      case 4:
        progress.begin_snapshot();
        in_snapshot = true;
        in_flight.clear();
        break;
      case 5:
        if (in_snapshot) {
          progress.end_snapshot();
          in_snapshot = false;
          RC_ASSERT(progress.next() == match.next());
          RC_ASSERT(progress.may_send());
        }
        break;
      case 6:
        progress.pause();
        RC_ASSERT(!progress.may_send());
        if (!in_snapshot) in_flight.clear();
        break;
      case 7:
        progress.resume();
        break;
    }
    std::size_t bytes = 0;
    for (const auto& append : in_flight) bytes += append.second;
    RC_ASSERT(progress.match() == match);
    RC_ASSERT(progress.match() < progress.next());
    RC_ASSERT(progress.in_snapshot() == in_snapshot);
    RC_ASSERT(progress.inflight_appends() == in_flight.size());
    RC_ASSERT(progress.inflight_bytes() == bytes);
    if (in_snapshot) {
      RC_ASSERT(!progress.may_send());
    } else if (!progress.probing()) {
      RC_ASSERT(progress.may_send() ==
                (in_flight.size() < window.appends_max && bytes < window.bytes_max));
    }
  }
}

// A round is over when the peer has what was the end of the log when it began (Raft §4.2.1).
COORD_PROPERTY(ProgressTwin, CaughtUp_IsWhatTheLastTwoRoundsSay, kCases) {
  const Duration limit = milliseconds(500);
  Progress progress(Index(1), {.appends_max = 10, .bytes_max = 1000}, Instant{});
  struct RoundTwin {
    Index end;
    Instant since;
  };
  std::optional<RoundTwin> round;
  bool was_short = false;
  Instant now;
  Index last(1);
  Index match;
  const int steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) {
    now += milliseconds(*rc::gen::inRange(0, 400));
    last = last + *rc::gen::inRange<std::uint64_t>(0, 3);
    match = std::max(match, Index(*rc::gen::inRange<std::uint64_t>(0, last.value() + 1)));
    progress.accepted(match, now);
    progress.note_round(last, now, limit);
    if (!round || match >= round->end) {
      was_short = round && now - round->since <= limit;
      round = RoundTwin{last, now};
    }
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        progress.pause();  // a connection that breaks is no entry that is missing
        break;
      case 1:
        progress.in_snapshot() ? progress.end_snapshot() : progress.begin_snapshot();
        break;
      default:
        break;
    }
    const Instant later = now + milliseconds(*rc::gen::inRange(0, 800));
    RC_ASSERT(progress.caught_up(later, limit) ==
              (!progress.in_snapshot() && was_short && later - round->since <= limit));
  }
}

}  // namespace
}  // namespace coord::raft

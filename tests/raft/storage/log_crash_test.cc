// The log against its naive twin, under power cuts at every moment: what was reported durable is
// there after every one of them, what was truncated durably does not come back, and what was under
// way is there as a prefix or not at all.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/raft/storage/fault_file_system.h"
#include "tests/raft/storage/log_fixture.h"

namespace coord::raft::testing {
namespace {

// The log as a vector, from its beginning or its last reset on: the twin is never cut.
struct Twin {
  HardState hard_state;
  LogId base;
  std::vector<Entry> entries;  // after `base`

  LogId last() const { return entries.empty() ? base : entries.back().id; }
};

class CrashRun {
 public:
  CrashRun(std::uint64_t seed, std::uint64_t segment_blocks)
      : prng_(seed), options_(small_segments("/log", segment_blocks * kBlockBytes)) {
    reopen();
  }

  void step() {
    switch (prng_.below(12)) {
      case 0:
        return cut();
      case 1:
        return reopen_cleanly();
      case 2:
        return crash(/*power=*/false);
      case 3:
        return crash(/*power=*/true);
      default:
        return write();
    }
  }

  std::uint64_t lost_parts() const { return lost_; }
  std::uint64_t recovered_resets() const { return resets_; }

 private:
  // --- What is done ---

  void write() {
    std::vector<Durable> batches;
    std::vector<Twin> states = {twin_};
    for (std::uint64_t n = prng_.between(1, 4); n > 0; --n) {
      batches.push_back(draw_batch(states));
    }
    if (!log_->write(batches).ok()) {
      ASSERT_TRUE(files_.stopped());
      return come_back(states);
    }
    become(states.back());
  }

  void become(const Twin& state) {
    twin_ = state;
    commit_floor_ = std::max(commit_floor_, state.base.index);
    first_index_ = std::max(first_index_, state.base.index.next());
  }

  void cut() {
    const Index through(prng_.below(twin_.last().index.value() + 1));
    commit_floor_ = std::max(commit_floor_, through);
    const auto first = log_->cut(through);
    if (!first.ok()) return come_back({twin_});
    ASSERT_LE(*first, std::max(through.next(), first_index_));
    ASSERT_GE(*first, first_index_);
    first_index_ = *first;
  }

  void reopen_cleanly() {
    log_.reset();
    reopen();
    check({twin_});
  }

  // The next thing that is done ends in a crash.
  void crash(bool power) {
    power_ = power;
    files_.stop_at_operation(prng_.below(8));
    if (prng_.chance(1, 6)) {
      log_.reset();
      open_and_crash();
    }
  }

  void open_and_crash() {
    auto opened = Log::open(files_, options_);
    if (opened.ok()) {
      log_ = std::move(*opened);
    } else {
      ASSERT_TRUE(files_.stopped()) << opened.error().message;
      come_back({twin_});
    }
  }

  // After a crash: one of these states has to be what is there.
  void come_back(const std::vector<Twin>& states) {
    log_.reset();
    for (;;) {
      power_ ? files_.power_cut(prng_.next()) : files_.kill();
      if (prng_.chance(1, 3)) {
        power_ = prng_.chance(1, 2);
        files_.stop_at_operation(prng_.below(12));
      }
      auto opened = Log::open(files_, options_);
      if (!opened.ok()) {
        ASSERT_TRUE(files_.stopped()) << opened.error().message;
        continue;
      }
      log_ = std::move(*opened);
      break;
    }
    check(states);
  }

  void reopen() {
    auto opened = Log::open(files_, options_);
    if (!opened.ok() && files_.stopped()) return come_back({twin_});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    log_ = std::move(*opened);
  }

  // --- What has to hold ---

  void check(const std::vector<Twin>& states) {
    if (::testing::Test::HasFatalFailure()) return;
    const RecoveredLog recovered = log_->recovered();
    const std::vector<Entry> found =
        read_all(*log_, recovered.first_index, recovered.last.index, prng_.between(1, 5000));
    ASSERT_GE(recovered.first_index, first_index_);
    for (std::size_t i = states.size(); i-- > 0;) {
      const Twin& state = states[i];
      if (state.hard_state != recovered.hard_state || state.last() != recovered.last) continue;
      // What was cut lies behind the base, and before what is committed.
      if (recovered.first_index <= state.base.index) continue;
      ASSERT_LE(recovered.first_index, std::max(commit_floor_, state.base.index).next());
      const auto kept =
          static_cast<std::ptrdiff_t>(recovered.first_index - state.base.index.next());
      if (!std::equal(state.entries.begin() + kept, state.entries.end(), found.begin(),
                      found.end())) {
        continue;
      }
      if (i + 1 < states.size()) ++lost_;
      become(state);
      first_index_ = recovered.first_index;
      resets_ += state.base.index.is_zero() ? 0 : 1;
      return;
    }
    FAIL() << "recovered " << recovered.last.index.value() << " of term "
           << recovered.last.term.value() << ", which the log never was";
  }

  // --- What is written ---

  // A batch, and the states that the log goes through while it is written, one for each record.
  Durable draw_batch(std::vector<Twin>& states) {
    Durable batch;
    Twin now = states.back();
    if (prng_.chance(1, 3)) {
      now.hard_state = {.term = now.hard_state.term + prng_.below(3),
                        .vote = MemberId(prng_.below(4))};
      batch.hard_state = now.hard_state;
      states.push_back(now);
    }
    if (prng_.chance(1, 20)) {
      // Into the log or behind its end; always another entry than the one that may be there.
      const Index floor = std::max(commit_floor_, now.base.index);
      const std::uint64_t reach = now.last().index - floor + 5;
      now.base = {.term = now.last().term + 1, .index = floor + prng_.between(1, reach)};
      now.entries.clear();
      batch.reset_to = now.base;
      states.push_back(now);
    }
    const std::uint64_t uncommitted = now.last().index - std::max(commit_floor_, now.base.index);
    if (uncommitted > 0 && prng_.chance(1, 4)) {
      now.entries.resize(now.entries.size() - prng_.below(uncommitted + 1));
      batch.truncate_from = now.last().index.next();
      states.push_back(now);
    }
    const std::uint64_t term = now.last().term.value() + prng_.below(2);
    for (std::uint64_t n = prng_.below(6); n > 0; --n) {
      const std::uint64_t bytes = prng_.chance(1, 10) ? prng_.below(9000) : prng_.below(300);
      Entry one = entry(std::max<std::uint64_t>(term, 1), now.last().index.value() + 1, bytes);
      now.entries.push_back(one);
      batch.append.push_back(std::move(one));
      states.push_back(now);
    }
    return batch;
  }

  Prng prng_;
  FaultFileSystem files_;
  const LogOptions options_;
  std::unique_ptr<Log> log_;
  Twin twin_;
  // Cut up to at most here: entries below are never truncated.
  Index commit_floor_;
  Index first_index_{1};
  bool power_ = true;
  std::uint64_t lost_ = 0;
  std::uint64_t resets_ = 0;
};

RC_GTEST_PROP(LogCrash, AnyRun_KeepsWhatWasDurable, (std::uint64_t seed)) {
  CrashRun run(seed, 3 + seed % 4);
  const auto steps = *rc::gen::inRange(1, 120);
  for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) run.step();
  RC_ASSERT(!::testing::Test::HasFailure());
}

// A run that never lost anything has shown nothing.
TEST(LogCrash, RunsAreCutShort_OftenEnough) {
  std::uint64_t lost = 0;
  std::uint64_t resets = 0;
  for (std::uint64_t seed = 0; seed < 600 && !HasFailure(); ++seed) {
    CrashRun run(seed, 3 + seed % 4);
    for (int i = 0; i < 60 && !HasFailure(); ++i) run.step();
    lost += run.lost_parts();
    resets += run.recovered_resets();
  }
  EXPECT_GT(lost, 150u);
  EXPECT_GT(resets, 300u);
}

}  // namespace
}  // namespace coord::raft::testing

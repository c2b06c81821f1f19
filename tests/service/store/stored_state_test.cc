// The state over the store against the state over a std::map: the same commands, with flushes that
// begin and end at random, and a process that begins again from what was flushed and the log behind
// it.
#include <gtest/gtest.h>

#include "raft/base/prng.h"
#include "tests/service/state/machine.h"
#include "tests/service/state/random_commands.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

class StoredState {
 public:
  explicit StoredState(HistoryOptions history) : history_(history) { reopen(); }

  CommandResults apply(const raft::Entry& entry) {
    log_.push_back(entry);
    CommandResults results;
    state_->apply(entry, &results);
    return results;
  }
  void begin_or_finish_flush() {
    if (fixture_.store->flushing()) {
      fixture_.queue.run_one();
    } else {
      state_->save();
      fixture_.store->flush([] {});
    }
  }
  // What no flush has begun with is lost, and applied again.
  void reopen() {
    state_.reset();
    fixture_.open();
    while (!fixture_.queue.empty()) fixture_.queue.run_one();
    state_ = std::make_unique<State>(*fixture_.store, observer_, history_);
    for (const raft::Entry& entry : log_) {
      if (entry.id.index > state_->position().applied.index) state_->apply(entry, nullptr);
    }
  }
  State& state() { return *state_; }
  MapTables::Contents contents() {
    state_->save();
    MapTables::Contents contents;
    for (std::size_t i = 0; i < kTableCount; ++i) {
      for (auto at = fixture_.store->seek(static_cast<Table>(i), ""); at->valid(); at->next()) {
        contents[i].emplace(at->key(), at->value());
      }
    }
    return contents;
  }

 private:
  Fixture fixture_;
  RecordingObserver observer_;
  const HistoryOptions history_;
  std::vector<raft::Entry> log_;
  std::unique_ptr<State> state_;
};

void run(std::uint64_t seed, int steps) {
  Prng random(seed);
  constexpr std::uint64_t kNearBytes[] = {0, 1000, 3000, 10'000};
  const HistoryOptions history{.near_bytes = kNearBytes[random.below(std::size(kNearBytes))]};
  Machine straight(history);
  StoredState stored(history);
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    const auto command =
        step == 0 ? commands::writes({commands::grant(1, {.session = true}), commands::grant(2)})
                  : random_command(random.next(), straight.state().revision().value(),
                                   straight.state().position().applied.index.value());
    const raft::Entry entry = straight.next_entry(commands::encode(command, 0));
    CommandResults expected;
    straight.state().apply(entry, &expected);
    ASSERT_EQ(show(stored.apply(entry)), show(expected));
    ASSERT_EQ(stored.state().position().digest, straight.state().position().digest);
    if (random.chance(1, 4)) stored.begin_or_finish_flush();
    if (random.chance(1, 40)) {
      stored.reopen();
      ASSERT_EQ(stored.state().position().digest, straight.state().position().digest);
    }
    if (random.chance(1, 20)) {
      straight.state().save();
      ASSERT_EQ(stored.contents(), straight.tables().contents());
    }
  }
  EXPECT_GT(straight.state().compacted(), Revision(1)) << "its history has been compacted";
}

TEST(StoredState, IsWhatItIsOverAMap_WhateverIsFlushedAndLost) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    run(seed, 600);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace coord::service

// Watches that resume: every event once, in order, or a word that it cannot be so.
#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

using Kind = WatchUpdate::Kind;

WatchEvent event(std::uint64_t revision, std::string key) {
  WatchEvent made;
  made.current.key = std::move(key);
  made.current.mod_revision = Revision(revision);
  return made;
}

class WatchTest : public SimulatedClientTest {
 protected:
  // While what the callbacks write to is still there.
  void TearDown() override { destroy_client(); }

  // What a callback was told: "KEY@REVISION", or the kind of an update.
  WatchCallback record() {
    return [this](Result<WatchUpdate> update) {
      if (!update.ok()) {
        told.push_back("error " + std::string(to_string(update.error().code)));
        return;
      }
      switch (update->kind) {
        case Kind::kListBegin:
          told.push_back("begin");
          break;
        case Kind::kListed:
          for (const KeyValue& listed : update->listed) told.push_back("listed " + listed.key);
          break;
        case Kind::kListEnd:
          told.push_back("end " + std::to_string(update->revision.value()));
          break;
        case Kind::kEvents:
          for (const WatchEvent& each : update->events) {
            told.push_back(each.current.key + "@" +
                           std::to_string(each.current.mod_revision.value()));
          }
          break;
        case Kind::kProgress:
          break;
      }
    };
  }
  std::size_t watch_calls() {
    return member(0).watch_calls + member(1).watch_calls + member(2).watch_calls;
  }
  std::vector<std::string> told;
  using Told = std::vector<std::string>;
};

TEST_F(WatchTest, EventsCome_OnceAndInOrder_AcrossTheLossOfEveryMemberInTurn) {
  auto watcher = client().watch({KeyRange::prefix("k")}, {.from = Revision(1)}, record());
  Told expected;
  for (int i = 1; i <= 30; ++i) {
    ASSERT_TRUE(put("k", std::to_string(i)).ok());
    expected.push_back("k@" + std::to_string(i));
    if (i % 3 == 0) {
      // The events of the time without a connection have to come too.
      member(static_cast<std::size_t>(i) % 3).cut();
      member(static_cast<std::size_t>(i + 1) % 3).cut();
    }
  }
  pass(std::chrono::seconds(1));
  EXPECT_EQ(told, expected);
}

TEST_F(WatchTest, FromNow_MeansTheFirstAnswer_NotTheLatestReconnection) {
  auto watcher = client().watch({KeyRange::all()}, {}, record());
  pass(std::chrono::milliseconds(100));
  for (std::size_t i = 0; i < 3; ++i) {
    member(i).cut();
    member(i).up = false;
  }
  cluster.state.applied.clear();
  // Happens while the watch is nowhere.
  capnp::MallocMessageBuilder message;
  auto write = message.initRoot<schema::Write>();
  write.initPut().setKey(kj::StringPtr("x").asBytes());
  capnp::MallocMessageBuilder result;
  cluster.state.apply(write, result.initRoot<schema::WriteResult>());
  pass(std::chrono::milliseconds(100));
  for (std::size_t i = 0; i < 3; ++i) member(i).up = true;
  pass(std::chrono::seconds(2));
  EXPECT_EQ(told, (Told{"x@1"}));
}

TEST_F(WatchTest, ListThenWatch_LeavesNoGap) {
  ASSERT_TRUE(put("k1", "").ok());
  ASSERT_TRUE(put("k2", "").ok());
  auto watcher = client().watch({KeyRange::prefix("k")}, {.list = true}, record());
  pass(std::chrono::milliseconds(10));
  ASSERT_TRUE(put("k3", "").ok());
  pass(std::chrono::milliseconds(10));
  EXPECT_EQ(told, (Told{"begin", "listed k1", "listed k2", "end 2", "k3@3"}));
}

TEST_F(WatchTest, Compacted_IsTold_AndEndsTheWatch) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put("k", "").ok());
  cluster.state.compacted = 3;
  auto watcher = client().watch(KeyRange::all(), {.from = Revision(2)});
  std::optional<Result<WatchUpdate>> update;
  watcher.async_next(into(update));
  auto first = wait(update);
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().code, ErrorCode::kCompacted);
  EXPECT_EQ(first.error().revision, Revision(4));
  update.reset();
  watcher.async_next(into(update));
  EXPECT_EQ(wait(update).error().code, ErrorCode::kCompacted);
}

TEST_F(WatchTest, Next_ComesOneAtATime_AndIsCancelledWithTheWatch) {
  auto watcher = client().watch(KeyRange::all(), {.from = Revision(1)});
  std::optional<Result<WatchUpdate>> first;
  std::optional<Result<WatchUpdate>> second;
  watcher.async_next(into(first));
  watcher.async_next(into(second));
  settle();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(first.has_value());
  watcher.cancel();
  settle();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->error().code, ErrorCode::kCancelled);
}

TEST_F(WatchTest, SlowConsumer_HoldsTheMemberBack_AndMissesNothing) {
  auto watcher = client().watch(KeyRange::prefix("k"), {.from = Revision(1)});
  for (int i = 1; i <= 40; ++i) ASSERT_TRUE(put("k", std::string(100'000, 'x')).ok());
  pass(std::chrono::seconds(30));
  std::uint64_t expected = 1;
  while (expected <= 40) {
    std::optional<Result<WatchUpdate>> update;
    watcher.async_next(into(update));
    auto got = wait(update);
    ASSERT_TRUE(got.ok());
    for (const WatchEvent& each : got->events) {
      ASSERT_EQ(each.current.mod_revision, Revision(expected++));
    }
  }
}

TEST_F(WatchTest, MemberThatIsHeldBack_IsNotTakenForSilent) {
  auto watcher = client().watch(KeyRange::prefix("k"), {.from = Revision(1)});
  for (int i = 1; i <= 11; ++i) ASSERT_TRUE(put("k", std::string(100'000, 'x')).ok());
  std::uint64_t seen = 0;
  const auto pull = [&] {
    std::optional<Result<WatchUpdate>> update;
    watcher.async_next(into(update));
    const auto got = wait(update);
    ASSERT_TRUE(got.ok());
    for (const WatchEvent& each : got->events) {
      ASSERT_EQ(each.current.mod_revision, Revision(++seen));
    }
  };
  // There is room for more, but not enough yet to have more come.
  while (seen < 2) pull();
  const std::size_t calls = watch_calls();
  pass(seconds(30));
  EXPECT_EQ(watch_calls(), calls);
  // Its silence counts from when it was let go on.
  while (seen < 11) pull();
  pass(milliseconds(6500));
  EXPECT_EQ(watch_calls(), calls);
}

TEST_F(WatchTest, WhatAMemberThatWasLeftStillDelivers_IsNotTold) {
  ASSERT_TRUE(put("k1", "").ok());
  for (std::size_t i = 0; i < 3; ++i) member(i).deliveries_take = seconds(8);
  auto watcher = client().watch({KeyRange::prefix("k")}, {.list = true}, record());
  // It has been left for its silence, and asked again.
  pass(seconds(9));
  EXPECT_EQ(watch_calls(), 2u);
  EXPECT_EQ(told, Told());
  for (std::size_t i = 0; i < 3; ++i) member(i).deliveries_take = seconds(0);
  pass(seconds(10));
  EXPECT_EQ(watch_calls(), 3u);
  EXPECT_EQ(told, (Told{"begin", "listed k1", "end 1"}));
}

TEST_F(WatchTest, MemberThatLags_IsLeftForAnother_AndEndsNoWatch) {
  auto watcher = client().watch({KeyRange::prefix("k")}, {.from = Revision(1)}, record());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(put("k", "").ok());
  pass(std::chrono::milliseconds(100));
  ASSERT_EQ(told, (Told{"k@1", "k@2", "k@3"}));
  // Wherever it was served, it goes on where nothing is known of what it was told.
  for (std::size_t i = 0; i < 3; ++i) {
    member(i).lags_at = 0;
    member(i).watch_calls = 0;
    member(i).cut();
  }
  pass(std::chrono::seconds(2));
  EXPECT_LT(watch_calls(), 40u);
  member(1).lags_at.reset();
  pass(std::chrono::seconds(2));
  member(0).lags_at.reset();
  ASSERT_TRUE(put("k", "").ok());
  pass(std::chrono::seconds(1));
  EXPECT_EQ(told, (Told{"k@1", "k@2", "k@3", "k@4"}));
}

TEST_F(WatchTest, StartThatOnlyAMemberThatLagsHasNotReached_IsServedElsewhere) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put("k", "").ok());
  member(1).lags_at = 0;
  member(2).lags_at = 0;
  destroy_client();
  options.endpoints = {"member2:1"};
  auto watcher = client().watch({KeyRange::prefix("k")}, {.from = Revision(5)}, record());
  pass(std::chrono::seconds(10));
  EXPECT_EQ(told, (Told{"k@5"}));
}

TEST_F(WatchTest, StartThatTheClusterHasNotReached_IsTold_AndEndsTheWatch) {
  ASSERT_TRUE(put("k", "").ok());
  auto watcher = client().watch({KeyRange::prefix("k")}, {.from = Revision(3)}, record());
  pass(std::chrono::seconds(1));
  EXPECT_EQ(told, (Told{"error futureRevision"}));
}

TEST_F(WatchTest, Learner_IsNotAsked_WhileOthersCanBeReached) {
  ASSERT_TRUE(put("k", "").ok());
  destroy_client();
  cluster.membership.voters = {1, 2};
  cluster.membership.learners = {3};
  member(2).lags_at = 0;
  options.endpoints = {"member3:1"};
  auto watcher = client().watch({KeyRange::prefix("k")}, {.list = true}, record());
  pass(std::chrono::seconds(1));
  EXPECT_EQ(told, (Told{"begin", "listed k", "end 1"}));
  // Also when the one that serves the watch is lost.
  for (std::size_t i = 0; i < 2; ++i) {
    member(i).cut();
    pass(std::chrono::seconds(1));
  }
  EXPECT_EQ(member(2).watch_calls, 0u);
}

TEST_F(WatchTest, Learner_IsAsked_WhenNobodyElseCanBeReached) {
  cluster.membership.voters = {1, 2};
  cluster.membership.learners = {3};
  member(0).up = false;
  member(1).up = false;
  auto watcher = client().watch({KeyRange::prefix("k")}, {.list = true}, record());
  pass(std::chrono::seconds(2));
  EXPECT_EQ(told, (Told{"begin", "end 0"}));
}

// The position alone, against what a member may send.
class LiveWatchTest : public WatchTest {
 protected:
  internal::LiveWatch watch{{KeyRange::all()}, {.from = Revision(5)}, record()};

  void deliver(std::vector<WatchEvent> events, bool partial = false) {
    watch.on_events(std::move(events), partial);
  }
};

TEST_F(LiveWatchTest, RevisionCutInTwo_GoesOnWithinIt) {
  watch.begin_generation();
  deliver({event(5, "a"), event(6, "b"), event(6, "c")}, true);
  EXPECT_EQ(watch.next_revision(), Revision(6));
  watch.begin_generation();  // lost; opened again from revision 6
  deliver({event(6, "b")}, true);
  deliver({event(6, "c"), event(6, "d")}, true);
  deliver({event(6, "e"), event(7, "f")});
  EXPECT_EQ(watch.next_revision(), Revision(8));
  EXPECT_EQ(told, (Told{"a@5", "b@6", "c@6", "d@6", "e@6", "f@7"}));
}

TEST_F(LiveWatchTest, EventsThatWereDeliveredBefore_AreSkipped) {
  watch.begin_generation();
  deliver({event(5, "a"), event(7, "b")});
  watch.begin_generation();
  deliver({event(5, "a"), event(7, "b"), event(9, "c")});
  EXPECT_EQ(told, (Told{"a@5", "b@7", "c@9"}));
}

TEST_F(LiveWatchTest, Progress_MovesThePosition_AndNeverBack) {
  watch.begin_generation();
  watch.on_progress(Revision(20));
  EXPECT_EQ(watch.next_revision(), Revision(21));
  watch.on_progress(Revision(10));
  EXPECT_EQ(watch.next_revision(), Revision(21));
}

TEST_F(LiveWatchTest, RoomIsNotWaitedFor_ByAMemberThatHasBeenLeft) {
  internal::LiveWatch slow{{KeyRange::all()}, {.from = Revision(1)}, nullptr};
  slow.begin_generation();
  WatchEvent large = event(1, "a");
  large.current.value = std::string(2'000'000, 'x');
  slow.on_events({large}, false);
  bool waits = true;
  auto room = slow.room().then([&] { waits = false; }).eagerlyEvaluate(nullptr);
  settle();
  EXPECT_TRUE(waits && slow.holds_back());
  slow.end_generation();
  settle();
  EXPECT_FALSE(waits || slow.holds_back());
}

}  // namespace
}  // namespace coord::fake

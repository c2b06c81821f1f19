#include "service/watch/watch_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <kj/debug.h>

#include "tests/service/watch/harness.h"

namespace coord::service {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::string> keys_of(const Told& told) {
  std::vector<std::string> keys;
  for (const Told::Event& event : told.events) keys.push_back(event.key);
  return keys;
}

TEST(WatchHub, Watch_FromNow_SeesLaterChangesOfItsKeysOnly) {
  Harness h;
  h.put("a", "0");
  Client& c = h.watch({.intervals = {single("a"), from_to("m", "p")}});
  h.run();
  EXPECT_EQ(c.start, 2u);
  h.change({{"a", "1"}, {"b", "1"}, {"m", "1"}});
  h.change({{"p", "2"}});
  h.change({{"a", std::nullopt}});
  h.run();
  ASSERT_THAT(keys_of(c.told), ElementsAre("a", "m", "a"));
  EXPECT_EQ(c.told.events[0], (Told::Event{false, "a", "1", 2, 1, 2, std::nullopt}));
  EXPECT_EQ(c.told.events[2], (Told::Event{true, "a", "", 4, 0, 0, std::nullopt}));
}

TEST(WatchHub, Watch_FromThePast_SeesHistoryThenTheLiveChanges) {
  Harness h;
  for (int i = 0; i < 100; ++i) h.put("k" + std::to_string(i % 10), std::to_string(i));
  Client& c = h.watch({.intervals = {everything()}, .from = 51});
  h.run();
  for (int i = 100; i < 110; ++i) h.put("k", std::to_string(i));
  h.run();
  ASSERT_EQ(c.told.events.size(), 60u);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(c.told.events[i].mod_revision, 51u + i);
}

TEST(WatchHub, Previous_IsToldWhereThereWasOne) {
  Harness h;
  h.put("a", "1");
  Client& c = h.watch({.intervals = {single("a")}, .from = 1, .want_previous = true});
  h.put("a", "2");
  h.change({{"a", std::nullopt}});
  h.put("a", "3");
  h.run();
  ASSERT_EQ(c.told.events.size(), 4u);
  EXPECT_EQ(c.told.events[0].previous, std::nullopt);
  EXPECT_EQ(c.told.events[1].previous, "1");
  EXPECT_EQ(c.told.events[2].previous, "2");
  EXPECT_EQ(c.told.events[3].previous, std::nullopt);
}

TEST(WatchHub, Filters_LeaveOutPutsOrDeletes) {
  Harness h;
  Client& puts = h.watch({.intervals = {everything()}, .no_delete = true});
  Client& deletes = h.watch({.intervals = {everything()}, .no_put = true});
  h.run();
  h.put("a", "1");
  h.change({{"a", std::nullopt}, {"b", "1"}});
  h.run();
  EXPECT_THAT(keys_of(puts.told), ElementsAre("a", "b"));
  EXPECT_THAT(keys_of(deletes.told), ElementsAre("a"));
}

TEST(WatchHub, ListThenWatch_GivesTheStateOnce_AndThenEverythingAfterIt) {
  Harness h({.batch_bytes_max = 20});
  for (const char* key : {"d", "b", "a", "c", "x"}) h.put(key, "old");
  Client& c = h.watch({.intervals = {from_to("b", "d"), single("d"), single("a")}, .list = true});
  // Between the request and the list.
  h.put("b", "new");
  h.run();
  h.put("c", "new");
  h.run();
  ASSERT_TRUE(c.told.list_end);
  EXPECT_EQ(*c.told.list_end + 1, c.start);
  if (c.start == 6) {
    EXPECT_THAT(c.told.listed, ElementsAre(Pair("a", "old"), Pair("b", "old"), Pair("c", "old"),
                                           Pair("d", "old")));
    EXPECT_THAT(keys_of(c.told), ElementsAre("b", "c"));
  } else {
    EXPECT_THAT(c.told.listed, ElementsAre(Pair("a", "old"), Pair("b", "new"), Pair("c", "old"),
                                           Pair("d", "old")));
    EXPECT_THAT(keys_of(c.told), ElementsAre("c"));
  }
}

TEST(WatchHub, List_OfTheEmptyState_EndsAtOnce) {
  Harness h;
  Client& c = h.watch({.intervals = {everything()}, .list = true});
  h.run();
  EXPECT_EQ(c.told.list_end, 0u);
  h.put("a", "1");
  Client& from_one = h.watch({.intervals = {everything()}, .from = 1, .list = true});
  h.run();
  EXPECT_THAT(keys_of(c.told), ElementsAre("a"));
  EXPECT_EQ(from_one.told.list_end, 0u);
  EXPECT_THAT(from_one.told.listed, IsEmpty());
  EXPECT_THAT(keys_of(from_one.told), ElementsAre("a"));
}

TEST(WatchHub, SlowWatch_HasOneBatchOnItsWay_AndMissesNothing) {
  Harness h({.ring_bytes_max = 2000, .batch_bytes_max = 1000});
  Client& slow = h.watch({.intervals = {everything()}});
  Client& fast = h.watch({.intervals = {everything()}});
  h.run();
  slow.sink->set_slow(true);
  for (int i = 0; i < 1000; ++i) {
    h.put("key", std::to_string(i));
    h.run();
    ASSERT_LE(slow.sink->outstanding(), 1u);
    ASSERT_LE(h.hub->stats().ring_bytes, 2000u);
  }
  EXPECT_EQ(fast.told.events.size(), 1000u);
  EXPECT_LT(slow.told.events.size(), 20u);
  EXPECT_EQ(h.hub->stats().behind, 1u);
  slow.sink->set_slow(false);
  h.run();
  ASSERT_EQ(slow.told.events.size(), 1000u);
  EXPECT_EQ(slow.told.events, fast.told.events);
  EXPECT_EQ(h.hub->stats().behind, 0u);
}

TEST(WatchHub, RevisionLargerThanABatch_ComesInPartsThatSaySo) {
  Harness h({.batch_bytes_max = 1000});
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  std::vector<TwinSource::Edit> edits;
  for (int i = 0; i < 100; ++i) edits.push_back({"key" + std::to_string(1000 + i), "value"});
  h.put("before", "x");
  h.change(edits);
  h.put("after", "x");
  h.run();
  EXPECT_EQ(c.told.events.size(), 102u);
  EXPECT_GT(c.told.batches, 10u);
  EXPECT_FALSE(c.told.partial);
}

TEST(WatchHub, IdleWatch_IsToldHowFarItHasCome) {
  Harness h;
  Client& c = h.watch({.intervals = {single("a")}, .progress_ms = 500});
  Client& by_default = h.watch({.intervals = {single("a")}});
  Client& filtered = h.watch({.intervals = {everything()}, .no_put = true, .progress_ms = 500});
  h.run();
  for (int i = 0; i < 20; ++i) h.put("b", std::to_string(i));
  h.run();
  h.advance(milliseconds(499));
  EXPECT_THAT(c.told.progress, IsEmpty());
  h.advance(milliseconds(1));
  EXPECT_THAT(c.told.progress, ElementsAre(20));
  EXPECT_THAT(filtered.told.progress, ElementsAre(20));
  h.advance(milliseconds(400));
  h.put("a", "1");
  h.run();
  h.advance(milliseconds(400));
  EXPECT_THAT(c.told.progress, ElementsAre(20)) << "it has just been told something else";
  h.advance(milliseconds(100));
  EXPECT_THAT(c.told.progress, ElementsAre(20, 21));
  EXPECT_THAT(by_default.told.progress, IsEmpty());
  h.advance(seconds(10));
  EXPECT_EQ(by_default.told.progress.size(), 1u);
}

TEST(WatchHub, IdleWatch_IsToldOnceAMinute_HoweverSeldomItWantsToBe) {
  Harness h;
  h.put("b", "1");
  Client& c = h.watch({.intervals = {single("a")}, .progress_ms = UINT32_MAX});
  h.run();
  h.advance(seconds(59));
  EXPECT_THAT(c.told.progress, IsEmpty());
  h.advance(seconds(1));
  EXPECT_THAT(c.told.progress, ElementsAre(1));
}

TEST(WatchHub, CompactedStart_IsRefused_WithTheOldestRevisionKept) {
  Harness h;
  for (int i = 0; i < 10; ++i) h.put("a", std::to_string(i));
  h.source.compact(Revision(5));
  Client& c = h.watch({.intervals = {single("a")}, .from = 4});
  Client& edge = h.watch({.intervals = {single("a")}, .from = 5});
  h.run();
  EXPECT_EQ(c.refused, ErrorCode::kCompacted);
  EXPECT_EQ(c.refused_revision, 5u);
  EXPECT_EQ(edge.told.events.size(), 6u);
}

TEST(WatchHub, WatchThatFellBehindTheCompaction_IsTold_AfterWhatWasFound) {
  Harness h({.ring_bytes_max = 500, .batch_bytes_max = 500});
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  c.sink->set_slow(true);
  for (int i = 0; i < 100; ++i) h.put("a", std::to_string(i));
  h.run();
  h.source.compact(Revision(90));
  c.sink->set_slow(false);
  h.run();
  EXPECT_EQ(c.told.failure, ErrorCode::kCompacted);
  EXPECT_TRUE(c.told.done);
  EXPECT_EQ(h.hub->stats().watches, 0u);
  for (std::size_t i = 0; i < c.told.events.size(); ++i) {
    EXPECT_EQ(c.told.events[i].mod_revision, i + 1);
  }
}

TEST(WatchHub, NextRevision_MayBeWatched_AndOneBeyondIsWaitedForInVain) {
  Harness h;
  h.put("a", "1");
  Client& next = h.watch({.intervals = {single("a")}, .from = 2});
  Client& beyond = h.watch({.intervals = {single("a")}, .from = 5});
  h.run();
  EXPECT_EQ(next.start, 2u);
  EXPECT_FALSE(beyond.answered);
  h.advance(seconds(1));
  EXPECT_EQ(beyond.refused, ErrorCode::kFutureRevision);
  EXPECT_EQ(beyond.refused_revision, 1u);
}

TEST(WatchHub, WatchAheadOfThisMember_BeginsWhenTheMemberGetsThere) {
  Harness h;
  h.put("a", "1");
  Client& ahead = h.watch({.intervals = {single("a")}, .from = 4});
  h.run();
  for (int i = 2; i < 6; ++i) h.put("a", std::to_string(i));
  h.run();
  EXPECT_EQ(ahead.start, 4u);
  ASSERT_EQ(ahead.told.events.size(), 2u);
  EXPECT_EQ(ahead.told.events[0].mod_revision, 4u);
}

TEST(WatchHub, WrongRequests_GetTheirOwnErrors) {
  Harness h;
  Client& nothing = h.watch({});
  Client& empty = h.watch({.intervals = {single("")}});
  Client& reversed = h.watch({.intervals = {from_to("b", "a")}});
  h.run();
  EXPECT_EQ(nothing.refused, ErrorCode::kInvalidArgument);
  EXPECT_EQ(empty.refused, ErrorCode::kEmptyKey);
  EXPECT_EQ(reversed.refused, ErrorCode::kReversedRange);
}

TEST(WatchHub, DroppingTheHandle_EndsTheWatch) {
  Harness h;
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  EXPECT_EQ(h.hub->stats().watches, 1u);
  c.handle = nullptr;
  h.run();
  EXPECT_EQ(h.hub->stats().watches, 0u);
  h.put("a", "1");
  h.run();
  EXPECT_THAT(c.told.events, IsEmpty());
}

TEST(WatchHub, ClientThatFails_LosesItsWatch) {
  class Broken final : public schema::WatchSink::Server {
    kj::Promise<void> deliver(DeliverContext) override {
      return KJ_EXCEPTION(DISCONNECTED, "the client is gone");
    }
  };
  Harness h;
  auto request = h.hub->service().watchRequest();
  request.initRequest().initRanges(1)[0].setToEnd();
  request.setSink(kj::heap<Broken>());
  auto response = request.send().wait(h.scope);
  EXPECT_EQ(h.hub->stats().watches, 1u);
  h.put("a", "1");
  h.run();
  EXPECT_EQ(h.hub->stats().watches, 0u);
}

TEST(WatchHub, ShutDown_TellsEveryWatch_AndRefusesNewOnes) {
  Harness h;
  Client& idle = h.watch({.intervals = {single("a")}});
  Client& slow = h.watch({.intervals = {single("a")}});
  Client& waiting = h.watch({.intervals = {single("a")}, .from = 100});
  h.run();
  slow.sink->set_slow(true);
  h.put("a", "1");
  h.run();
  h.hub->shut_down();
  // It takes what was on its way to it before.
  slow.sink->set_slow(false);
  h.run();
  for (const Client* c : {&idle, &slow}) {
    EXPECT_EQ(c->told.failure, ErrorCode::kShuttingDown);
    EXPECT_EQ(c->told.events.size(), 1u);
  }
  EXPECT_EQ(waiting.refused, ErrorCode::kShuttingDown);
  Client& late = h.watch({.intervals = {single("a")}});
  h.run();
  EXPECT_EQ(late.refused, ErrorCode::kShuttingDown);
}

TEST(WatchHub, CapabilitiesMayOutliveTheHub) {
  Harness h;
  Client& c = h.watch({.intervals = {single("a")}});
  h.run();
  auto service = h.hub->service();
  h.hub.reset();
  c.handle = nullptr;
  auto request = service.watchRequest();
  request.initRequest().initRanges(1)[0].setToEnd();
  KJ_IF_MAYBE (sink, c.sink_capability) request.setSink(*sink);
  auto response = request.send().wait(h.scope);
  EXPECT_EQ(response.getFailure().getCode(), static_cast<int>(ErrorCode::kShuttingDown));
}

TEST(WatchHub, TooManyWatches_AreRefused) {
  Harness h({.watches_max = 2});
  h.watch({.intervals = {single("a")}});
  h.watch({.intervals = {single("a")}});
  Client& third = h.watch({.intervals = {single("a")}});
  h.run();
  EXPECT_EQ(third.refused, ErrorCode::kOverloaded);
}

// What nobody watches is not even copied, and costs a watch of other keys nothing.
TEST(WatchHub, ChangesThatConcernNobody_DoNotTakeMemory) {
  Harness h;
  Client& c = h.watch({.intervals = {single("a"), from_to("m", "n")}});
  h.run();
  for (int i = 0; i < 100; ++i) h.put("b" + std::to_string(i), "x");
  EXPECT_EQ(h.hub->stats().ring_bytes, 0u);
  h.put("m1", "x");
  EXPECT_GT(h.hub->stats().ring_bytes, 0u);
  h.run();
  EXPECT_THAT(keys_of(c.told), ElementsAre("m1"));
}

TEST(WatchHub, WorkOfATurn_IsBounded) {
  Harness h({.batch_bytes_max = 1000});
  for (int i = 0; i < 50'000; ++i) h.put("b", "x");
  h.watch({.intervals = {single("a")}, .from = 1});
  // All that can be done without the loop's time moving on.
  h.scope.poll();
  EXPECT_EQ(h.hub->stats().behind, 1u);
  h.run();
  EXPECT_EQ(h.hub->stats().behind, 0u);
}

// --- A state that was received as a snapshot
// ------------------------------------------------------

std::vector<std::uint64_t> revisions_of(const Told& told) {
  std::vector<std::uint64_t> revisions;
  for (const Told::Event& event : told.events) revisions.push_back(event.mod_revision);
  return revisions;
}

TEST(WatchHubReloaded, LiveWatch_SeesWhatCameInBetween_Once) {
  Harness h;
  Client& all = h.watch({.intervals = {everything()}});
  Client& b = h.watch({.intervals = {single("b")}});
  h.run();
  h.put("a", "1");
  h.run();
  for (const char* key : {"b", "c", "b"}) h.source.apply({{key, "untold"}});
  h.hub->on_reloaded();
  h.run();
  h.put("b", "5");
  h.run();
  EXPECT_THAT(revisions_of(all.told), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(revisions_of(b.told), ElementsAre(2, 4, 5));
}

TEST(WatchHubReloaded, WatchWithABatchOnItsWay_GoesOnBehindIt) {
  Harness h;
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  c.sink->set_slow(true);
  for (int i = 1; i <= 600; ++i) h.put("k", std::string(4000, 'x'));
  h.run();
  const std::size_t before = c.told.events.size();
  EXPECT_GT(before, 0u);
  EXPECT_LT(before, 600u);
  h.source.apply({{"untold", "601"}});
  h.hub->on_reloaded();
  h.put("k", "602");
  h.run();
  c.sink->set_slow(false);
  h.run();
  ASSERT_EQ(c.told.events.size(), 602u);
  for (std::size_t i = 0; i < 602; ++i) EXPECT_EQ(c.told.events[i].mod_revision, i + 1);
}

// Of a few it was told, and has not read them: what comes in between must not push them out.
TEST(WatchHubReloaded, WatchThatHasSomeToRead_ReadsThemAll) {
  Harness h;
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  c.sink->set_slow(true);
  for (int i = 1; i <= 20; ++i) {
    h.put("k", std::string(50'000, 'x'));
    h.run();
  }
  EXPECT_LT(c.told.events.size(), 20u);
  EXPECT_EQ(h.hub->stats().behind, 0u);
  h.source.apply({{"untold", "21"}});
  h.hub->on_reloaded();
  c.sink->set_slow(false);
  h.run();
  ASSERT_EQ(c.told.events.size(), 21u);
  for (std::size_t i = 0; i < 21; ++i) EXPECT_EQ(c.told.events[i].mod_revision, i + 1);
}

// What was not yet offered when the state was exchanged must not be left out.
TEST(WatchHubReloaded, ChangesThatWereNotYetDelivered_AreDelivered) {
  Harness h;
  Client& c = h.watch({.intervals = {everything()}});
  h.run();
  h.put("a", "1");
  h.put("a", "2");
  h.source.apply({{"untold", "3"}});
  h.hub->on_reloaded();
  h.run();
  EXPECT_THAT(revisions_of(c.told), ElementsAre(1, 2, 3));
}

TEST(WatchHubReloaded, WatchWhosePlaceIsGone_IsToldSo) {
  Harness h;
  Client& live = h.watch({.intervals = {everything()}});
  Client& ahead = h.watch({.intervals = {everything()}, .progress_ms = 1000});
  h.run();
  h.put("a", "1");
  h.run();
  for (int i = 0; i < 10; ++i) h.source.apply({{"untold", "x"}});
  h.source.compact(Revision(5));
  h.hub->on_reloaded();
  h.run();
  EXPECT_EQ(live.told.failure, ErrorCode::kCompacted);
  EXPECT_TRUE(live.told.done);
  EXPECT_EQ(ahead.told.failure, ErrorCode::kCompacted);
  EXPECT_EQ(h.hub->stats().watches, 0u);
}

TEST(WatchHubReloaded, WatchThatIsWaitedFor_BeginsOnceTheRevisionIsThere) {
  Harness h;
  Client& c = h.watch({.intervals = {everything()}, .from = 4});
  h.run();
  EXPECT_FALSE(c.answered);
  for (int i = 0; i < 5; ++i) h.source.apply({{"untold", "x"}});
  h.hub->on_reloaded();
  h.run();
  EXPECT_TRUE(c.answered);
  EXPECT_THAT(revisions_of(c.told), ElementsAre(4, 5));
}

TEST(WatchHubReloaded, Progress_IsOfTheNewState) {
  Harness h;
  Client& c = h.watch({.intervals = {single("a")}, .progress_ms = 1000});
  h.run();
  for (int i = 0; i < 5; ++i) h.source.apply({{"untold", "x"}});
  h.hub->on_reloaded();
  h.run();
  h.advance(milliseconds(1000));
  EXPECT_THAT(c.told.progress, ElementsAre(5));
}

}  // namespace
}  // namespace coord::service

// Locks and sessions: who holds, and who stops believing when.
#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LockTest : public SimulatedClientTest {
 protected:
  LockTest() { options.session_ttl = seconds(3); }
};

TEST_F(LockTest, Lock_IsHeld_AndReleasedWithItsObject) {
  {
    auto held = lock("l");
    ASSERT_TRUE(held.ok()) << held.error().message;
    EXPECT_TRUE(held->held());
    EXPECT_EQ(held->token().value(), cluster.state.locks["l"].token);
    EXPECT_EQ(cluster.state.locks["l"].queue.size(), 1u);
  }
  settle();
  EXPECT_TRUE(cluster.state.locks["l"].queue.empty());
}

TEST_F(LockTest, SecondAcquireInOneClient_WaitsForTheFirst) {
  auto first = lock("l");
  ASSERT_TRUE(first.ok());
  std::optional<Result<Lock>> second;
  client().async_lock("l", {}, into(second));
  pass(seconds(8));
  EXPECT_FALSE(second.has_value());
  const LockToken before = first->token();
  std::optional<Status> released;
  first->async_release(into(released));
  ASSERT_TRUE(pass_until([&] { return second.has_value(); }, milliseconds(10)));
  ASSERT_TRUE(second->ok());
  EXPECT_GT((*second)->token(), before);
  EXPECT_FALSE(first->held());
  EXPECT_TRUE((*second)->held());
}

TEST_F(LockTest, TryAndTimedAcquire_SayBusy_AndLeaveNoPlaceBehind) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  auto tried = lock("l", {.wait = milliseconds(0)});
  ASSERT_FALSE(tried.ok());
  EXPECT_EQ(tried.error().code, ErrorCode::kLockBusy);
  const Instant begin = now();
  auto timed = lock("l", {.wait = milliseconds(1500)});
  ASSERT_FALSE(timed.ok());
  EXPECT_EQ(timed.error().code, ErrorCode::kLockBusy);
  EXPECT_EQ(now() - begin, milliseconds(1500));
  EXPECT_EQ(cluster.state.locks["l"].queue.size(), 1u);
}

TEST_F(LockTest, Renewals_KeepTheLock_ForAsLongAsTheyAreAnswered) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  pass(seconds(60));
  EXPECT_TRUE(held->held());
  EXPECT_FALSE(held->stop_token().stop_requested());
  EXPECT_GE(cluster.state.renewals, 55u);
}

TEST_F(LockTest, LossIsTold_BeforeTheLeaseCanHaveExpired) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  pass(milliseconds(2500));  // two renewals, the last of them sent half a second ago
  for (std::size_t i = 0; i < 3; ++i) member(i).renews = false;
  // Sent at 2000 ms; on the server it lives until then plus its TTL, and never shorter.
  const Instant last_sent = now() - milliseconds(500);
  pass_until([&] { return held->stop_token().stop_requested(); });
  EXPECT_LE(now(), last_sent + milliseconds(3000) * 99 / 100);
  EXPECT_GE(now(), last_sent + milliseconds(2900));
  EXPECT_FALSE(held->held());
  EXPECT_FALSE(held->session().alive());
}

TEST_F(LockTest, LeaderThatIsNotHeardAnyMore_CostsNoLock_WhileAnotherForwards) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  pass(milliseconds(2500));
  member(0).stopped = true;
  pass(seconds(30));
  EXPECT_TRUE(held->held());
  EXPECT_FALSE(held->stop_token().stop_requested());
}

TEST_F(LockTest, StoppedProcess_FindsItsLockLost_AtOnce) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  freeze(milliseconds(2990));
  // Nothing has run yet; the clock alone says so.
  EXPECT_FALSE(held->held());
  settle();
  EXPECT_TRUE(held->stop_token().stop_requested());
}

TEST_F(LockTest, LostLock_IsNotResurrected_ByALateRenewal) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  pass(milliseconds(900));
  freeze(milliseconds(4000));  // the server, too, kept the lease: nobody else wanted it
  pass(seconds(10));
  EXPECT_FALSE(held->held());
  EXPECT_TRUE(held->stop_token().stop_requested());
}

TEST_F(LockTest, ExpiryToldByAServer_LosesTheLock) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  cluster.state.end_session(cluster.state.sessions.begin()->first);
  ASSERT_TRUE(pass_until([&] { return held->stop_token().stop_requested(); }, milliseconds(1001)));
  EXPECT_FALSE(held->held());
  // The next lock is in a new session.
  auto again = lock("l");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->held());
}

TEST_F(LockTest, BrokenLock_IsNoticed_WithTheNextRenewal) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  cluster.state.break_lock("l");
  ASSERT_TRUE(pass_until([&] { return held->stop_token().stop_requested(); }, milliseconds(1001)));
  EXPECT_FALSE(held->held());
  EXPECT_TRUE(held->session().alive());
}

TEST_F(LockTest, AcquireInDoubt_LeavesNoPlaceBehind) {
  ASSERT_TRUE(put("a", "1").ok());
  // Granted, but the answer is lost and then nobody can be reached until the caller gives up.
  member(0).faults = {Fault::kApplyThenDrop};
  std::optional<Result<Lock>> answer;
  client().async_lock("l", {.timeout = milliseconds(500)}, into(answer));
  settle();
  cluster.elect(nullptr);
  auto result = wait(answer);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().outcome, Outcome::kUnknown);
  cluster.elect(&member(1));
  ASSERT_TRUE(pass_until([&] { return cluster.state.locks["l"].queue.empty(); }, seconds(8)));
  EXPECT_TRUE(lock("l").ok());
}

TEST_F(LockTest, ReleaseInDoubt_IsFollowedUp) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  cluster.elect(nullptr);
  std::optional<Status> answer;
  held->async_release(into(answer));
  pass_until([&] { return answer.has_value(); });
  cluster.elect(&member(1));
  ASSERT_TRUE(pass_until([&] { return cluster.state.locks["l"].queue.empty(); }, seconds(8)));
}

TEST_F(LockTest, GuardedWrite_WithAnOldToken_IsRefused) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  const Guard guard = held->guard();
  EXPECT_TRUE(put("a", "1", {.guard = guard}).ok());
  cluster.state.break_lock("l");
  auto result = put("a", "2", {.guard = guard});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kStaleToken);
}

TEST_F(LockTest, WaitingAcquire_SurvivesTheLossOfItsMember) {
  auto first = lock("l");
  ASSERT_TRUE(first.ok());
  std::optional<Result<Lock>> second;
  client().async_lock("l", {}, into(second));
  pass(milliseconds(100));
  member(0).up = false;
  member(0).cut();
  cluster.elect(&member(1));
  pass(milliseconds(100));
  EXPECT_FALSE(second.has_value());
  std::optional<Status> released;
  first->async_release(into(released));
  ASSERT_TRUE(pass_until([&] { return second.has_value(); }, milliseconds(100)));
  EXPECT_TRUE(second->ok());
}

TEST_F(LockTest, Waiting_EndsAtOnce_WhenAskedTo) {
  auto first = lock("l");
  ASSERT_TRUE(first.ok());
  std::stop_source stop;
  std::optional<Result<Lock>> second;
  client().async_lock("l", {.stop = stop.get_token()}, into(second));
  pass(seconds(5));
  EXPECT_FALSE(second.has_value());
  stop.request_stop();
  settle();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->error().code, ErrorCode::kCancelled);
  EXPECT_EQ(cluster.state.locks["l"].queue.size(), 1u);
}

TEST_F(LockTest, ClosedClient_LosesWhatItHeld) {
  auto held = lock("l");
  ASSERT_TRUE(held.ok());
  const auto token = held->stop_token();
  destroy_client();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_FALSE(held->held());
}

TEST_F(LockTest, EmptyObjects_SayWhatTheyAre) {
  Lock none;
  EXPECT_FALSE(none.held());
  EXPECT_TRUE(none.token().is_zero());
  EXPECT_FALSE(none.release().ok());
  EXPECT_FALSE(Session().alive());
}

TEST_F(LockTest, Observer_AsksAgain_AfterAChangeThatNobodyCouldTellOf) {
  auto observer = client().observe("e");
  std::optional<Result<std::optional<LeaderInfo>>> next;
  observer.async_next(into(next));
  auto first = wait(next);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_FALSE(first->has_value());
  next.reset();
  observer.async_next(into(next));
  cluster.elect(nullptr);
  cluster.state.locks["e"] = {.queue = {7}, .token = 5};
  capnp::MallocMessageBuilder message;
  auto write = message.initRoot<schema::Write>();
  write.initPut().setKey(kj::StringPtr("_coord/election/e").asBytes());
  capnp::MallocMessageBuilder result;
  cluster.state.apply(write, result.initRoot<schema::WriteResult>());
  const auto failed = wait(next);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kNoQuorum);
  cluster.elect(&member(0));
  next.reset();
  observer.async_next(into(next));
  const auto told = wait(next);
  ASSERT_TRUE(told.ok()) << told.error().message;
  ASSERT_TRUE(told->has_value());
  EXPECT_EQ((*told)->token, LockToken(5));
}

TEST_F(LockTest, ObserverThatGoes_EndsTheNextThatWaits) {
  std::optional<Result<std::optional<LeaderInfo>>> next;
  {
    auto observer = client().observe("e");
    observer.async_next(into(next));
    ASSERT_TRUE(wait(next).ok());
    next.reset();
    observer.async_next(into(next));
    pass(seconds(1));
    ASSERT_FALSE(next.has_value());
  }
  settle();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->error().code, ErrorCode::kCancelled);

  auto replaced = client().observe("e");
  next.reset();
  replaced.async_next(into(next));
  ASSERT_TRUE(wait(next).ok());
  next.reset();
  replaced.async_next(into(next));
  settle();
  replaced = client().observe("f");
  settle();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace coord::fake

// The loop's turns: hooks, posted work, timers, run and stop.
#include "schema/rpc/loop.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "schema/rpc/busy_poll.h"
#include "schema/rpc/task.h"

// KJ's packaged libraries are not instrumented: the thread sanitizer does not see how its executors
// keep two threads apart.
extern "C" const char* __tsan_default_suppressions() {
  return "race:kj::_::XThreadEvent::fire";
}

namespace coord::rpc {
namespace {

// A loop that sleeps, and one that looks for work before it does.
class LoopTest : public testing::TestWithParam<Duration> {
 protected:
  class TestLoop : public Loop {
   public:
    TestLoop() {
      set_busy_poll(GetParam());
      // Until it has seen that waits are short.
      for (int i = 0; i < 200; ++i) timer().afterDelay(1 * kj::MICROSECONDS).wait(wait_scope());
    }
  };
};

TEST_P(LoopTest, PostedWork_RunsInOrder_FromWhicheverThread) {
  TestLoop loop;
  std::vector<std::vector<int>> seen(3);
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&loop, &seen, &total, t] {
      for (int i = 0; i < 1000; ++i) {
        loop.post([&loop, &seen, &total, t, i] {
          seen[t].push_back(i);
          if (++total == 3000) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  for (const auto& each : seen) {
    ASSERT_EQ(each.size(), 1000u);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(each[i], i);
  }
}

TEST_P(LoopTest, StopBeforeRun_MakesRunReturnAtOnce_Once) {
  TestLoop loop;
  loop.stop();
  loop.run();
  loop.post([&] { loop.stop(); });
  loop.run();
}

TEST_P(LoopTest, WorkStillQueuedAtTheEnd_IsDropped) {
  auto token = std::make_shared<int>(1);
  {
    TestLoop loop;
    loop.post([token] { ADD_FAILURE() << "ran"; });
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST_P(LoopTest, QueuedWorkThatOwnsAPromise_IsDroppedWhileKjsLoopIsThere) {
  TestLoop loop;
  auto promise = std::make_shared<kj::Promise<void>>(
      kj::Promise<void>(kj::NEVER_DONE).eagerlyEvaluate(nullptr));
  loop.post([promise = std::move(promise)] {});
}

TEST_P(LoopTest, Timers_FireInOrder_AndNotTooEarly) {
  TestLoop loop;
  std::vector<int> fired;
  const Instant start = loop.now();  // what delays count from
  auto late = loop.timer().afterDelay(20 * kj::MILLISECONDS).then([&] { fired.push_back(2); });
  auto early = loop.timer().afterDelay(2 * kj::MILLISECONDS).then([&] { fired.push_back(1); });
  late = late.eagerlyEvaluate(nullptr);
  early = early.eagerlyEvaluate(nullptr);
  late.wait(loop.wait_scope());
  EXPECT_EQ(fired, std::vector<int>({1, 2}));
  EXPECT_GE(Loop::clock() - start, milliseconds(20));
}

TEST_P(LoopTest, TimerSetEarlierThanTheOneThatIsArmed_FiresFirst) {
  TestLoop loop;
  auto far = loop.timer().afterDelay(1 * kj::HOURS).eagerlyEvaluate(nullptr);
  loop.timer().afterDelay(1 * kj::MILLISECONDS).wait(loop.wait_scope());
  loop.timer().afterDelay(1 * kj::MILLISECONDS).wait(loop.wait_scope());
  EXPECT_FALSE(far.poll(loop.wait_scope()));
}

TEST_P(LoopTest, DroppedTimer_NeverFires) {
  TestLoop loop;
  {
    auto dropped = loop.timer()
                       .afterDelay(1 * kj::MILLISECONDS)
                       .then([] { ADD_FAILURE() << "fired"; })
                       .eagerlyEvaluate(nullptr);
  }
  loop.timer().afterDelay(5 * kj::MILLISECONDS).wait(loop.wait_scope());
}

TEST_P(LoopTest, TimerDroppedShortlyBeforeItsTime_DoesNotWakeTheLoop) {
  TestLoop loop;
  const Instant start = loop.now();
  auto dropped = loop.timer().afterDelay(20 * kj::MILLISECONDS).eagerlyEvaluate(nullptr);
  auto turn = kj::newPromiseAndFulfiller<void>();
  loop.post([&] { turn.fulfiller->fulfill(); });
  turn.promise.wait(loop.wait_scope());
  while (Loop::clock() - start < microseconds(19'800)) {
  }
  dropped = nullptr;
  const std::uint64_t turns = loop.take_stats().turns;
  loop.timer().afterDelay(60 * kj::MILLISECONDS).wait(loop.wait_scope());
  EXPECT_EQ(loop.take_stats().turns, turns + 1);
}

TEST_P(LoopTest, Now_IsConstantDuringATurn_AndTheTimersNow) {
  TestLoop loop;
  const Instant before = loop.now();
  while (Loop::clock() - before < microseconds(10)) {
  }
  EXPECT_EQ(loop.now(), before);
  loop.timer().afterDelay(1 * kj::MILLISECONDS).wait(loop.wait_scope());
  EXPECT_GE(loop.now() - before, milliseconds(1));
  EXPECT_EQ((loop.timer().now() - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS,
            loop.now().time_since_epoch().count());
}

TEST_P(LoopTest, Hook_RunsWhenTheTurnHasComeToRest_AndMayProlongIt) {
  TestLoop loop;
  std::vector<int> order;
  int runs = 0;
  kj::Promise<void> more = nullptr;
  auto hook = loop.on_turn_end([&] {
    order.push_back(100);
    if (++runs == 1) more = kj::evalLater([&] { order.push_back(3); }).eagerlyEvaluate(nullptr);
    if (runs == 2) loop.stop();
  });
  auto first = kj::evalLater([&] {
                 order.push_back(1);
               }).then([&] {
                   return kj::evalLater([&] { order.push_back(2); });
                 }).eagerlyEvaluate(nullptr);
  loop.run();
  EXPECT_EQ(order, std::vector<int>({1, 2, 100, 3, 100}));
}

TEST_P(LoopTest, RemovedHook_NeverRunsAgain_EvenWhenAnotherHookRemovesIt) {
  TestLoop loop;
  int second_runs = 0;
  Loop::HookHandle second;
  auto first = loop.on_turn_end([&] { second.reset(); });
  second = loop.on_turn_end([&] { ++second_runs; });
  loop.timer().afterDelay(1 * kj::MILLISECONDS).wait(loop.wait_scope());
  EXPECT_EQ(second_runs, 0);
}

TEST_P(LoopTest, IdleLoop_Sleeps) {
  TestLoop loop;
  const std::uint64_t turns = loop.take_stats().turns;
  loop.timer().afterDelay(50 * kj::MILLISECONDS).wait(loop.wait_scope());
  EXPECT_LT(loop.take_stats().turns - turns, 10u);
}

TEST_P(LoopTest, LongestTurn_IsMeasured_AndForgottenWhenAsked) {
  TestLoop loop;
  loop.post([] {
    const Instant start = Loop::clock();
    while (Loop::clock() - start < milliseconds(5)) {
    }
  });
  // The work runs inside one wait; the time it took shows once KJ has had its turn as well.
  loop.timer()
      .afterDelay(1 * kj::MILLISECONDS)
      .then([] {
        const Instant start = Loop::clock();
        while (Loop::clock() - start < milliseconds(5)) {
        }
      })
      .wait(loop.wait_scope());
  loop.timer().afterDelay(1 * kj::MILLISECONDS).wait(loop.wait_scope());
  EXPECT_GE(loop.take_stats().longest_turn, milliseconds(5));
  EXPECT_EQ(loop.take_stats().longest_turn, nanoseconds(0));
}

TEST_P(LoopTest, AnotherThreadsExecutor_WakesTheLoop) {
  TestLoop loop;
  kj::Own<const kj::Executor> executor = kj::getCurrentThreadExecutor().addRef();
  auto paf = kj::newPromiseAndFulfiller<int>();
  std::thread thread([&] { executor->executeSync([&] { paf.fulfiller->fulfill(5); }); });
  EXPECT_EQ(paf.promise.wait(loop.wait_scope()), 5);
  thread.join();
}

INSTANTIATE_TEST_SUITE_P(Loops, LoopTest, testing::Values(Duration(0), BusyPoll::kUsual),
                         [](const auto& info) { return info.index == 0 ? "Sleeping" : "Looking"; });

}  // namespace
}  // namespace coord::rpc

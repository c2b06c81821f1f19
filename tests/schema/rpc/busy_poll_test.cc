// When a loop looks for work before it sleeps: the rule, and that the loop goes by it.
#include "schema/rpc/busy_poll.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>

#include "schema/rpc/loop.h"
#include "tests/eventually.h"

namespace coord::rpc {
namespace {

constexpr Duration kMost = BusyPoll::kUsual;
constexpr Instant kNow = Instant(seconds(1000));

class BusyPollTest : public testing::Test {
 protected:
  void wait(std::initializer_list<Duration> times, int rounds = 1) {
    for (int i = 0; i < rounds; ++i) {
      for (const Duration time : times) poll_.note_wait(time);
    }
  }

  BusyPoll poll_{kMost};
};

TEST_F(BusyPollTest, WhileNothingIsKnown_SleepsAtOnce) {
  EXPECT_EQ(poll_.window(kNow), Duration(0));
}

TEST_F(BusyPollTest, WhileWaitsAreShort_Looks) {
  wait({microseconds(90), microseconds(200), microseconds(300)}, 100);
  EXPECT_EQ(poll_.window(kNow), kMost);
}

// A leader with nothing to do: the answers to its heartbeats come soon, and then nothing.
TEST_F(BusyPollTest, WithNothingButHeartbeats_NeverLooks) {
  for (int i = 0; i < 1000; ++i) {
    for (const Duration time : {microseconds(80), microseconds(50), microseconds(50'000)}) {
      poll_.note_wait(time);
      ASSERT_EQ(poll_.window(kNow), Duration(0)) << "round " << i;
    }
  }
}

TEST_F(BusyPollTest, AfterAPause_LooksAgainSoon) {
  wait({microseconds(100)}, 100);
  wait({seconds(3600)});
  EXPECT_EQ(poll_.window(kNow), Duration(0));
  int waits = 0;
  for (; poll_.window(kNow) == Duration(0); ++waits) wait({microseconds(100)});
  EXPECT_LT(waits, 200);
}

TEST_F(BusyPollTest, WhereOthersCompute_SleepsForSomeTime) {
  wait({microseconds(100)}, 100);
  const Instant back = kNow + BusyPoll::kCrowdedYield;
  poll_.note_yield(kNow, back);
  EXPECT_EQ(poll_.window(back), Duration(0));
  EXPECT_EQ(poll_.window(back + BusyPoll::kCrowdedTime - microseconds(1)), Duration(0));
  EXPECT_EQ(poll_.window(back + BusyPoll::kCrowdedTime), kMost);
}

TEST_F(BusyPollTest, WhereOthersHaveAMomentsWork_GoesOn) {
  wait({microseconds(100)}, 100);
  poll_.note_yield(kNow, kNow + BusyPoll::kCrowdedYield - microseconds(1));
  EXPECT_EQ(poll_.window(kNow + BusyPoll::kCrowdedYield), kMost);
}

TEST_F(BusyPollTest, WhereOthersGoOnComputing_SleepsForEverLonger) {
  wait({microseconds(100)}, 100);
  Instant now = kNow;
  Duration slept{0};
  for (int i = 0; i < 20; ++i) {
    poll_.note_yield(now, now + BusyPoll::kCrowdedYield);
    const Instant back = now + BusyPoll::kCrowdedYield;
    for (now = back; poll_.window(now) == Duration(0);) now += milliseconds(1);
    EXPECT_GE(now - back, slept);
    slept = now - back;
  }
  EXPECT_EQ(slept, BusyPoll::kCrowdedTimeMax);
  // And not for ever.
  now += seconds(6);
  poll_.note_yield(now, now + BusyPoll::kCrowdedYield);
  EXPECT_EQ(poll_.window(now + BusyPoll::kCrowdedYield + BusyPoll::kCrowdedTime), kMost);
}

TEST_F(BusyPollTest, WhileWaitsAreJustLonger_Sleeps) {
  wait({kMost + microseconds(100)}, 1000);
  EXPECT_EQ(poll_.window(kNow), Duration(0));
}

TEST_F(BusyPollTest, OfNoTime_IsNone) {
  poll_ = BusyPoll();
  wait({microseconds(0)}, 10'000);
  EXPECT_EQ(poll_.window(kNow), Duration(0));
}

class BusyLoopTest : public testing::Test {
 protected:
  // Of so many turns, 50 us apart, those that needed no sleep.
  std::uint64_t found_of(int turns) {
    const std::uint64_t before = loop_.take_stats().found;
    for (int i = 0; i < turns; ++i) {
      loop_.timer().afterDelay(50 * kj::MICROSECONDS).wait(loop_.wait_scope());
    }
    return loop_.take_stats().found - before;
  }

  Loop loop_;
};

TEST_F(BusyLoopTest, LooksForWork) {
  loop_.set_busy_poll(milliseconds(10));
  // Not at first, and not while this machine is crowded.
  EXPECT_TRUE(test::eventually([this] { return found_of(200) > 180; }));
}

TEST_F(BusyLoopTest, ThatIsNotToLook_Sleeps) {
  EXPECT_EQ(found_of(1000), 0u);
}

}  // namespace
}  // namespace coord::rpc

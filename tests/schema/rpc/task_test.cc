// rpc::Task against what it promises: eager, owned, cancellable, exceptions both ways.
#include "schema/rpc/task.h"

#include <gtest/gtest.h>
#include <kj/debug.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace coord::rpc {
namespace {

class TaskTest : public testing::Test {
 public:
  ~TaskTest() noexcept override {}

 protected:
  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
};

// Counts the objects alive, so that a frame that is destroyed late, twice or never is seen.
struct Guard {
  explicit Guard(int& alive) : alive(alive) { ++alive; }
  Guard(const Guard&) = delete;
  ~Guard() { --alive; }
  int& alive;
};

Task<int> immediate(int value) {
  co_return value;
}
Task<int> plus_one(kj::Promise<int> promise) {
  co_return co_await kj::mv(promise) + 1;
}
Task<void> guarded(kj::Promise<void> promise, int& alive) {
  Guard guard(alive);
  co_await kj::mv(promise);
}
Task<int> failing() {
  throw KJ_EXCEPTION(OVERLOADED, "too much");
  co_return 0;
}

TEST_F(TaskTest, Task_RunsEagerly_UpToTheFirstWait) {
  std::vector<int> seen;
  auto paf = kj::newPromiseAndFulfiller<void>();
  auto run = [](std::vector<int>& seen, kj::Promise<void> wait) -> Task<void> {
    seen.push_back(1);
    co_await kj::mv(wait);
    seen.push_back(2);
  };
  Task<void> task = run(seen, kj::mv(paf.promise));
  EXPECT_EQ(seen, std::vector<int>({1}));
  EXPECT_FALSE(task.done());
  paf.fulfiller->fulfill();
  EXPECT_EQ(seen, std::vector<int>({1}));
  std::move(task).wait(scope_);
  EXPECT_EQ(seen, std::vector<int>({1, 2}));
}

TEST_F(TaskTest, FinishedTask_GivesItsValue_ToWhoeverAsksLater) {
  Task<int> task = immediate(7);
  EXPECT_TRUE(task.done());
  Task<int> moved = std::move(task);
  EXPECT_EQ(std::move(moved).wait(scope_), 7);
}

TEST_F(TaskTest, Task_IsTakenAsPromise) {
  kj::Promise<int> promise = plus_one(immediate(1));
  EXPECT_EQ(promise.then([](int value) { return value * 10; }).wait(scope_), 20);
  kj::Promise<int> chained =
      kj::evalLater([]() -> kj::Promise<int> { return plus_one(immediate(4)); });
  EXPECT_EQ(chained.wait(scope_), 5);
}

TEST_F(TaskTest, MoveOnlyAndStringResults_Arrive) {
  auto make = []() -> Task<std::unique_ptr<std::string>> {
    co_await kj::evalLater([] {});
    co_return std::make_unique<std::string>("a string long enough to be on the heap");
  };
  auto outer = [](Task<std::unique_ptr<std::string>> inner) -> Task<std::string> {
    auto value = co_await std::move(inner);
    co_return *value;
  };
  EXPECT_EQ(outer(make()).wait(scope_), "a string long enough to be on the heap");
}

TEST_F(TaskTest, MaybeResult_KeepsNothingApartFromSomething) {
  auto make = [](bool something) -> Task<kj::Maybe<int>> {
    if (something) co_return kj::Maybe<int>(3);
    co_return kj::Maybe<int>(nullptr);
  };
  EXPECT_TRUE(make(true).wait(scope_) != nullptr);
  EXPECT_TRUE(make(false).wait(scope_) == nullptr);
}

TEST_F(TaskTest, Exception_GoesThroughTasksAndPromises_WithItsType) {
  auto outer = []() -> Task<int> {
    kj::Promise<int> inner = failing();
    co_return co_await inner.then([](int value) { return value; });
  };
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { outer().wait(scope_); })) {
    EXPECT_EQ(exception->getType(), kj::Exception::Type::OVERLOADED);
    EXPECT_EQ(kj::StringPtr(exception->getDescription()), "too much");
  } else {
    FAIL() << "no exception";
  }
}

TEST_F(TaskTest, AwaitedException_CanBeCaught_AndTheTaskGoesOn) {
  auto run = [](kj::Promise<void> broken) -> Task<std::string> {
    std::string seen;
    try {
      co_await kj::mv(broken);
    } catch (const kj::Exception& exception) {
      seen = exception.getDescription().cStr();
    }
    try {
      co_await failing();
    } catch (const kj::Exception& exception) {
      seen += exception.getDescription().cStr();
    }
    co_return seen;
  };
  EXPECT_EQ(run(KJ_EXCEPTION(FAILED, "one, ")).wait(scope_), "one, too much");
}

TEST_F(TaskTest, StandardException_BecomesKjException) {
  auto run = []() -> Task<void> {
    co_await kj::evalLater([] {});
    throw std::runtime_error("standard");
  };
  EXPECT_THROW(run().wait(scope_), kj::Exception);
}

TEST_F(TaskTest, DroppedTask_DestroysItsFrame_AndCancelsWhatItAwaits) {
  int alive = 0;
  bool cancelled = false;
  auto inner = kj::Promise<void>(kj::NEVER_DONE).attach(kj::defer([&] { cancelled = true; }));
  {
    Task<void> task = guarded(guarded(kj::mv(inner), alive), alive);
    EXPECT_EQ(alive, 2);
    EXPECT_FALSE(cancelled);
  }
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(cancelled);
}

TEST_F(TaskTest, TaskDroppedWhileItIsArmed_NeverRuns) {
  int alive = 0;
  auto paf = kj::newPromiseAndFulfiller<void>();
  std::optional<Task<void>> task = guarded(kj::mv(paf.promise), alive);
  paf.fulfiller->fulfill();
  task.reset();
  EXPECT_EQ(alive, 0);
  scope_.poll();
}

TEST_F(TaskTest, TaskThatDropsItself_GoesOnToItsNextWait_AndEndsThere) {
  struct Owner {
    std::optional<kj::Promise<void>> self;
    bool after_drop = false;
    bool after_wait = false;
  } owner;
  int alive = 0;
  auto run = [](Owner& owner, int& alive) -> Task<void> {
    Guard guard(alive);
    co_await kj::evalLater([] {});
    owner.self.reset();
    owner.after_drop = true;
    co_await kj::evalLater([] {});
    owner.after_wait = true;
  };
  owner.self = run(owner, alive).promise();
  kj::evalLater([] {}).then([] { return kj::evalLater([] {}); }).wait(scope_);
  EXPECT_TRUE(owner.after_drop);
  EXPECT_FALSE(owner.after_wait);
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, TaskThatDropsItself_AndThenReturns_IsDestroyed) {
  std::optional<kj::Promise<void>> self;
  int alive = 0;
  auto run = [](std::optional<kj::Promise<void>>& self, int& alive) -> Task<void> {
    Guard guard(alive);
    co_await kj::evalLater([] {});
    self.reset();
  };
  self = run(self, alive).promise().then([] { ADD_FAILURE() << "the consumer was dropped"; });
  kj::evalLater([] {}).then([] { return kj::evalLater([] {}); }).wait(scope_);
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, InnerTaskThatDropsTheOuter_IsDestroyedWithIt) {
  std::optional<kj::Promise<void>> self;
  int alive = 0;
  auto inner = [](std::optional<kj::Promise<void>>& self, int& alive) -> Task<void> {
    Guard guard(alive);
    co_await kj::evalLater([] {});
    self.reset();
    co_await kj::Promise<void>(kj::NEVER_DONE);
  };
  auto outer = [](Task<void> inner, int& alive) -> Task<void> {
    Guard guard(alive);
    co_await std::move(inner);
  };
  self = outer(inner(self, alive), alive).promise();
  EXPECT_EQ(alive, 2);
  kj::evalLater([] {}).then([] { return kj::evalLater([] {}); }).wait(scope_);
  EXPECT_EQ(alive, 0);
}

TEST_F(TaskTest, AssignedTask_DropsTheOneBefore) {
  int alive = 0;
  Task<void> task = guarded(kj::NEVER_DONE, alive);
  task = guarded(kj::NEVER_DONE, alive);
  EXPECT_EQ(alive, 1);
}

TEST_F(TaskTest, WhatWasAwaited_IsDestroyedBeforeTheTaskGoesOn) {
  bool destroyed = false;
  bool seen = false;
  auto run = [](kj::Promise<void> promise, bool& destroyed, bool& seen) -> Task<void> {
    co_await kj::mv(promise);
    seen = destroyed;
  };
  auto promise = kj::evalLater([] {}).attach(kj::defer([&] { destroyed = true; }));
  run(kj::mv(promise), destroyed, seen).wait(scope_);
  EXPECT_TRUE(seen);
}

TEST_F(TaskTest, Tasks_JoinAndRaceAsPromisesDo) {
  auto after = [](int turns) -> Task<int> {
    for (int i = 0; i < turns; ++i) co_await kj::evalLater([] {});
    co_return turns;
  };
  kj::Promise<int> fast = after(1);
  EXPECT_EQ(fast.exclusiveJoin(after(100)).wait(scope_), 1);
  auto promises = kj::heapArrayBuilder<kj::Promise<int>>(3);
  for (int i = 1; i <= 3; ++i) promises.add(after(i));
  auto all = kj::joinPromises(promises.finish()).wait(scope_);
  EXPECT_EQ(all[0] + all[1] + all[2], 6);
}

TEST_F(TaskTest, DeepRecursion_OfFinishedTasks_Works) {
  struct Recursion {
    static Task<int> down(int depth) {
      if (depth == 0) {
        co_await kj::evalLater([] {});
        co_return 0;
      }
      co_return co_await down(depth - 1) + 1;
    }
  };
  EXPECT_EQ(Recursion::down(1000).wait(scope_), 1000);
}

}  // namespace
}  // namespace coord::rpc

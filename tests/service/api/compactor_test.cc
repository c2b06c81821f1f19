// How much history is kept, and how what is too much goes.
#include "service/api/compactor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/api/command.h"
#include "tests/service/api/cluster.h"
#include "tests/service/state/machine.h"

namespace coord::service {
namespace {

// A state machine, and a log that commits what is proposed when the test says so.
class CompactorTest : public testing::Test, private Committer {
 protected:
  ~CompactorTest() noexcept override {}

  void make(CompactorOptions options) {
    Committer& committer = *this;
    compactor.emplace(
        machine.state(), committer,
        Clock{timer, [this] { return now; }, [] { return std::uint64_t{1}; }},
        [this] { return may_propose; }, options);
  }
  void lead() { compactor->on_fact(raft::LeadershipConfirmed{Term(1)}); }
  void write(int writes) {
    for (int i = 0; i < writes; ++i) machine.write(commands::put("k", "v"));
  }
  void step() {
    now += milliseconds(1);
    timer.advanceTo(kj::origin<kj::TimePoint>() + now.time_since_epoch().count() * kj::NANOSECONDS);
    scope.poll();
  }
  // Everything that is proposed is committed a step later.
  void run(milliseconds time) {
    for (std::int64_t i = 0; i < time.count(); ++i) {
      step();
      commit_all();
    }
  }
  void commit_all() {
    for (auto& [command, answer] : std::exchange(proposals, {})) {
      const Revision before = machine.state().compacted();
      const std::size_t changes = machine.tables().size(Table::kChanges);
      CommandResults results;
      machine.state().apply(machine.next_entry(command), &results);
      taken.push_back(changes - machine.tables().size(Table::kChanges));
      if (machine.state().compacted() > before) {
        compactor->on_compacted(machine.state().compacted());
      }
      answer->fulfill(Result<CommandResults>(std::move(results)));
    }
    scope.poll();
  }
  std::uint64_t line() { return machine.state().compacted().value(); }
  std::optional<Status>& ask(std::uint64_t revision, milliseconds patience = seconds(60)) {
    auto& answer = *answers.emplace_back(std::make_unique<std::optional<Status>>());
    asking.add(
        compactor->compact(Revision(revision), now + patience).then([&answer](Status status) {
          answer = std::move(status);
        }));
    scope.poll();
    return answer;
  }

  struct NoErrors final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& exception) override {
      ADD_FAILURE() << exception.getDescription().cStr();
    }
  };
  struct Proposal {
    Bytes command;
    kj::Own<kj::PromiseFulfiller<Result<CommandResults>>> answer;
  };

  kj::EventLoop loop;
  kj::WaitScope scope{loop};
  kj::TimerImpl timer{kj::origin<kj::TimePoint>()};
  Instant now{};
  // Nothing is near: what goes behind the line is gone.
  Machine machine{{.near_bytes = 0}};
  bool may_propose = true;
  std::vector<Proposal> proposals;
  std::vector<std::size_t> taken;  // changes, by each command
  std::optional<Compactor> compactor;
  NoErrors errors;
  std::vector<std::unique_ptr<std::optional<Status>>> answers;
  kj::TaskSet asking{errors};

 private:
  kj::Promise<Result<CommandResults>> commit(Bytes command, Instant) override {
    auto waiter = kj::newPromiseAndFulfiller<Result<CommandResults>>();
    proposals.push_back({std::move(command), kj::mv(waiter.fulfiller)});
    return kj::mv(waiter.promise);
  }
};

TEST_F(CompactorTest, WhatIsOlderThanAsked_Goes_AndNothingYounger) {
  make({.keep = seconds(10), .revisions_kept = 0});
  lead();
  write(100);
  run(seconds(5));
  write(100);
  run(milliseconds(4900));
  EXPECT_EQ(line(), 0u);
  run(milliseconds(400));
  EXPECT_EQ(line(), 100u) << "what was the newest ten seconds ago can still be read";
  run(seconds(4));
  EXPECT_EQ(line(), 100u);
  run(seconds(2));
  EXPECT_EQ(line(), 200u);
}

TEST_F(CompactorTest, SoManyRevisions_AreKept_HoweverOld) {
  make({.keep = seconds(1), .revisions_kept = 150});
  lead();
  write(100);
  run(seconds(10));
  EXPECT_EQ(line(), 0u);
  write(100);
  run(seconds(10));
  EXPECT_EQ(line(), 50u);
}

TEST_F(CompactorTest, WhoDoesNotLead_ProposesNothing_ButKnowsWhatIsOldOnceItDoes) {
  make({.keep = seconds(1), .revisions_kept = 0});
  write(100);
  run(seconds(5));
  EXPECT_EQ(line(), 0u);
  write(100);
  lead();
  run(milliseconds(100));
  EXPECT_EQ(line(), 100u);
  compactor->on_fact(raft::SteppedDown{Term(1), true});
  run(seconds(5));
  EXPECT_EQ(line(), 100u);
}

TEST_F(CompactorTest, Backlog_GoesInSmallCommands_WithPauses) {
  make({.keep = seconds(1), .revisions_kept = 0, .catch_up = seconds(2)});
  write(20'000);
  for (int i = 0; i < 5; ++i) {
    machine.write(commands::txn({.then = std::vector<commands::OperationFill>(
                                     100, commands::op_sequential_put("s", "v"))}));
  }
  run(seconds(2));
  lead();
  int idle_steps = 0;
  int steps = 0;
  for (; compactor->backlog() > 0 && steps < 20'000; ++steps) {
    step();
    if (proposals.empty()) ++idle_steps;
    EXPECT_LE(proposals.size(), 2u) << "in one turn of the loop";
    commit_all();
  }
  EXPECT_EQ(line(), machine.state().revision().value());
  std::size_t all = 0;
  for (const std::size_t changes : taken) {
    EXPECT_LE(changes, limits::kCompactChangesMax);
    all += changes;
  }
  EXPECT_EQ(all, 20'000u + 4 * 100) << "the newest revision is kept";
  EXPECT_GT(idle_steps, steps / 2);
  EXPECT_LT(steps, 5000);
}

// Of large values a command takes few, so that there have to be more commands.
TEST_F(CompactorTest, LargeValues_GoByTheirBytes_AndNoSlower) {
  make({.keep = seconds(1), .revisions_kept = 0, .catch_up = seconds(2)});
  const std::size_t large = limits::kCompactBytesMax / 4;
  for (int i = 0; i < 400; ++i) machine.write(commands::put("k", std::string(large, 'x')));
  run(seconds(2));
  lead();
  run(milliseconds(500));
  EXPECT_EQ(line(), 400u);
  EXPECT_THAT(taken, testing::Each(testing::Le(4u)));
  EXPECT_GE(taken.size(), 100u);
}

TEST_F(CompactorTest, LargeBacklog_GoesFaster_ThanWritesCome) {
  make({.keep = seconds(1), .revisions_kept = 0, .catch_up = seconds(1)});
  lead();
  // 40,000 revisions a second, twice what the slowest rate would get rid of.
  for (int i = 0; i < 4000; ++i) {
    write(40);
    step();
    commit_all();
  }
  EXPECT_LT(machine.state().revision().value() - line(), 2.5 * 40'000);
}

TEST_F(CompactorTest, StateThatIsBehindWithItsFlushes_IsSpared) {
  make({.keep = seconds(1), .revisions_kept = 0});
  lead();
  write(1000);
  may_propose = false;
  run(seconds(5));
  EXPECT_EQ(line(), 0u);
  may_propose = true;
  run(seconds(1));
  EXPECT_EQ(line(), 1000u);
}

TEST_F(CompactorTest, CommandThatFails_IsProposedAgain) {
  make({.keep = seconds(1), .revisions_kept = 0});
  lead();
  write(1000);
  run(milliseconds(1000));
  while (proposals.empty()) step();
  for (auto& proposal : std::exchange(proposals, {})) {
    proposal.answer->fulfill(Result<CommandResults>(make_error(ErrorCode::kOverloaded, "not now")));
  }
  run(seconds(1));
  EXPECT_EQ(line(), 1000u);
}

TEST_F(CompactorTest, Asked_IsAnsweredWhenTheLineIsThere) {
  make({});
  lead();
  write(5000);
  auto& answer = ask(3000);
  step();
  EXPECT_FALSE(answer);
  EXPECT_FALSE(proposals.empty()) << "it begins at once";
  run(seconds(5));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->ok());
  EXPECT_EQ(line(), 3000u) << "and no further";
}

TEST_F(CompactorTest, AskedForTheFutureOrThePast_Refuses) {
  make({});
  lead();
  write(100);
  EXPECT_EQ(ask(101)->error().code, ErrorCode::kFutureRevision);
  EXPECT_EQ(ask(101)->error().revision, Revision(100));
  auto& done = ask(100);
  run(seconds(1));
  EXPECT_TRUE(done->ok());
  EXPECT_EQ(ask(100)->error().code, ErrorCode::kCompacted);
  EXPECT_EQ(ask(50)->error().code, ErrorCode::kCompacted);
  EXPECT_EQ(ask(50)->error().revision, Revision(100));
}

TEST_F(CompactorTest, AskedWhoDoesNotLead_OrLeadsNoLonger_Refuses) {
  make({});
  write(5000);
  EXPECT_EQ(ask(100)->error().code, ErrorCode::kNotLeader);
  lead();
  auto& answer = ask(5000);
  compactor->on_fact(raft::SteppedDown{Term(1), true});
  scope.poll();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::kNotLeader);
  EXPECT_TRUE(proposals.empty());
  EXPECT_EQ(answer->error().outcome, Outcome::kNotApplied) << "the next leader may be asked";
}

TEST_F(CompactorTest, LeadershipThatEnds_LeavesOpenWhatBecomesOfTheCommands) {
  make({});
  lead();
  write(5000);
  auto& answer = ask(5000);
  step();
  ASSERT_FALSE(proposals.empty());
  auto& later = ask(5000);
  compactor->on_fact(raft::SteppedDown{Term(1), true});
  scope.poll();
  EXPECT_EQ(answer->error().code, ErrorCode::kNotLeader);
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown) << "the next leader may commit them";
  EXPECT_EQ(later->error().outcome, Outcome::kNotApplied) << "nothing was proposed for that one";
}

TEST_F(CompactorTest, LeadershipThatEnds_AfterSomeCommandsWereApplied_IsUnknown) {
  make({});
  lead();
  write(5000);
  auto& answer = ask(5000);
  while (line() == 0) run(milliseconds(1));
  EXPECT_TRUE(proposals.empty());
  compactor->on_fact(raft::SteppedDown{Term(1), true});
  scope.poll();
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown);
}

TEST_F(CompactorTest, LeadershipThatEnds_WhenAllCommandsWereRefused_HasAppliedNothing) {
  make({});
  lead();
  write(5000);
  auto& answer = ask(5000);
  step();
  ASSERT_FALSE(proposals.empty());
  for (auto& proposal : std::exchange(proposals, {})) {
    proposal.answer->fulfill(Result<CommandResults>(make_error(ErrorCode::kNotLeader, "no")));
  }
  scope.poll();
  compactor->on_fact(raft::SteppedDown{Term(1), true});
  scope.poll();
  EXPECT_EQ(answer->error().outcome, Outcome::kNotApplied);
}

TEST_F(CompactorTest, AskedInEveryTurn_BeginsAllTheSame) {
  make({});
  lead();
  write(5000);
  for (int turn = 0; turn < 5 && proposals.empty(); ++turn) {
    now += milliseconds(1);
    timer.advanceTo(kj::origin<kj::TimePoint>() + now.time_since_epoch().count() * kj::NANOSECONDS);
    ask(5000);
  }
  EXPECT_FALSE(proposals.empty());
}

TEST_F(CompactorTest, AskedByTooMany_RefusesMore) {
  make({.waiting_max = 2});
  lead();
  write(5000);
  EXPECT_FALSE(ask(5000));
  EXPECT_FALSE(ask(4000));
  EXPECT_EQ(ask(5000)->error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(ask(5000)->error().outcome, Outcome::kNotApplied);
}

TEST_F(CompactorTest, DeadlineThatPasses_IsUnknown_AndItGoesOn) {
  make({});
  lead();
  write(20'000);
  auto& answer = ask(20'000, milliseconds(20));
  run(milliseconds(40));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown);
  run(seconds(10));
  EXPECT_EQ(line(), 20'000u);
}

TEST_F(CompactorTest, ShutDown_AnswersWhoWaits) {
  make({});
  lead();
  write(5000);
  auto& answer = ask(5000);
  compactor->shut_down();
  scope.poll();
  EXPECT_EQ(answer->error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(answer->error().outcome, Outcome::kNotApplied);
  EXPECT_EQ(ask(5000)->error().code, ErrorCode::kShuttingDown);
}

TEST_F(CompactorTest, ShutDown_WithCommandsUnderWay_DoesNotKnowWhatBecomesOfThem) {
  make({});
  lead();
  write(5000);
  auto& answer = ask(5000);
  step();
  ASSERT_FALSE(proposals.empty());
  compactor->shut_down();
  scope.poll();
  EXPECT_EQ(answer->error().code, ErrorCode::kShuttingDown);
  EXPECT_EQ(answer->error().outcome, Outcome::kUnknown);
}

// --- Through the API
// -------------------------------------------------------------------------------------------------

ErrorCode code_of(schema::Failure::Reader failure) {
  return static_cast<ErrorCode>(failure.getCode());
}

class CompactedCluster : public testing::Test {
 protected:
  void write(int writes) {
    for (int i = 0; i < writes; ++i) {
      auto request = cluster_.leader().kv().writeRequest();
      fill_put(request.initWrites(1)[0], "k", "v" + std::to_string(i));
      cluster_.wait(request.send());
    }
  }
  auto compact(TestMember& member, std::uint64_t revision) {
    auto request = member.maintenance().compactRequest();
    request.setRevision(revision);
    return cluster_.wait(request.send());
  }
  auto read(TestMember& member, std::uint64_t revision) {
    auto request = member.kv().readRequest();
    auto read = request.initReads(1)[0];
    read.initRange().setBegin(bytes("k"));
    read.setRevision(revision);
    return cluster_.wait(request.send());
  }

  TestCluster cluster_{3, {}, {.keep = seconds(2), .revisions_kept = 5}};
};

TEST_F(CompactedCluster, EveryMember_HasTheSameLine_ThroughAChangeOfLeader) {
  write(50);
  cluster_.run(seconds(3));
  for (const std::size_t i : {1, 2, 3}) {
    EXPECT_EQ(cluster_.member(i).state().compacted(), Revision(45));
  }
  cluster_.isolate(cluster_.leader().id());
  write(20);
  cluster_.run(seconds(3));
  EXPECT_EQ(cluster_.leader().state().compacted(), Revision(65));
}

TEST_F(CompactedCluster, AnyMember_TakesTheRequest) {
  write(50);
  const auto done = compact(cluster_.follower(), 30);
  ASSERT_FALSE(done.hasFailure());
  EXPECT_EQ(done.getCompactRevision(), 30u);
  const auto past = compact(cluster_.follower(), 20);
  EXPECT_EQ(code_of(past.getFailure()), ErrorCode::kCompacted);
  EXPECT_EQ(past.getFailure().getRevision(), 30u);
  EXPECT_EQ(code_of(compact(cluster_.leader(), 51).getFailure()), ErrorCode::kFutureRevision);
  EXPECT_EQ(code_of(compact(cluster_.leader(), 0).getFailure()), ErrorCode::kInvalidArgument);
}

TEST_F(CompactedCluster, ReadsBelowTheLine_AreToldWhereItIs) {
  write(50);
  compact(cluster_.leader(), 30);
  for (TestMember* member : {&cluster_.leader(), &cluster_.follower()}) {
    const auto gone = read(*member, 29);
    ASSERT_TRUE(gone.getResults()[0].isFailure());
    EXPECT_EQ(code_of(gone.getResults()[0].getFailure()), ErrorCode::kCompacted);
    EXPECT_EQ(gone.getResults()[0].getFailure().getRevision(), 30u);
    const auto kept = read(*member, 30);
    ASSERT_TRUE(kept.getResults()[0].isRange());
    EXPECT_EQ(kept.getResults()[0].getRange().getItems()[0].getModRevision(), 30u);
  }
}

TEST_F(CompactedCluster, WatchesBelowTheLine_AreToldWhereItIs) {
  class Sink final : public schema::WatchSink::Server {
    kj::Promise<void> deliver(DeliverContext) override { return kj::READY_NOW; }
    kj::Promise<void> done(DoneContext) override { return kj::READY_NOW; }
  };
  write(50);
  compact(cluster_.leader(), 30);
  const auto watch = [&](std::uint64_t from) {
    auto request = cluster_.leader().watch().watchRequest();
    request.initRequest().initRanges(1)[0].setPrefix();
    request.getRequest().setFromRevision(from);
    request.setSink(kj::heap<Sink>());
    return cluster_.wait(request.send());
  };
  const auto gone = watch(29);
  EXPECT_EQ(code_of(gone.getFailure()), ErrorCode::kCompacted);
  EXPECT_EQ(gone.getFailure().getRevision(), 30u);
  EXPECT_FALSE(watch(30).hasFailure());
}

}  // namespace
}  // namespace coord::service

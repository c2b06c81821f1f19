// Leadership for another member (Raft §3.10).
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

bool was_told_to_campaign(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    if (std::holds_alternative<TimeoutNow>(message.body)) return true;
  }
  return false;
}

TEST(Transfer, TargetTakesOver_InOneRoundOfMessages) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  const Instant before = cluster.now();
  EXPECT_EQ(cluster.transfer(1, 2), cluster.core(1).status().last);
  cluster.deliver();
  EXPECT_EQ(cluster.leader(), 2);
  EXPECT_EQ(cluster.now(), before) << "no timer had to fire";
  EXPECT_EQ(cluster.core(1).leader(), Cluster::id(2));
  EXPECT_EQ(cluster.count<TransferFailed>(1), 0);
}

TEST(Transfer, TargetThatIsBehind_IsBroughtUpToDateFirst) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.propose(1, "a");
  cluster.drop(1, 2);
  cluster.transfer(1, 2);
  EXPECT_FALSE(was_told_to_campaign(cluster.take(1, 2)));
  cluster.run(milliseconds(200));
  EXPECT_EQ(cluster.leader(), 2);
  EXPECT_EQ(cluster.commands(2).size(), 1u);
}

TEST(Transfer, Proposals_AreRefusedMeanwhile_ThatIsNothingIsAppended) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.transfer(1, 2);
  const LogId last = cluster.core(1).status().last;
  EXPECT_FALSE(cluster.propose(1, "a"));
  EXPECT_EQ(cluster.refusal(1), Refusal::kTransferring);
  EXPECT_FALSE(cluster.change(1, voters({1, 2})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kTransferring);
  EXPECT_FALSE(cluster.transfer(1, 3));
  EXPECT_EQ(cluster.refusal(1), Refusal::kTransferring);
  EXPECT_EQ(cluster.core(1).status().last, last);
}

TEST(Transfer, TargetThatDoesNotTakeOver_IsGivenUpAfterAnElectionTimeout) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  const Term term = cluster.core(1).term();
  cluster.propose(1, "a");
  cluster.cut(1, 2);
  cluster.drop(1, 2);
  cluster.transfer(1, 2);
  cluster.put_to_sleep(2);
  cluster.run(milliseconds(490));
  EXPECT_FALSE(cluster.propose(1, "b"));
  cluster.run(milliseconds(20));
  EXPECT_EQ(cluster.count<TransferFailed>(1), 1);
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term);
  EXPECT_TRUE(cluster.propose(1, "b")) << "writes go on";
}

TEST(Transfer, LostTimeoutNow_IsRepeated) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.transfer(1, 2);
  ASSERT_TRUE(was_told_to_campaign(cluster.take(1, 2)));
  cluster.run(milliseconds(100));
  EXPECT_EQ(cluster.leader(), 2);
}

TEST(Transfer, TargetWhoseConnectionCloses_IsGivenUpAtOnce) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.crash(2);
  cluster.transfer(1, 2);
  cluster.step(1, PeerClosed{Cluster::id(2)});
  EXPECT_EQ(cluster.count<TransferFailed>(1), 1);
  EXPECT_TRUE(cluster.propose(1, "a"));
}

TEST(Transfer, WithoutATarget_TakesTheBestPrepared) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.cut(1, 2);
  cluster.propose(1, "a");
  cluster.deliver();
  ASSERT_TRUE(cluster.transfer(1, 0));
  EXPECT_EQ(cluster.core(1).status().transferring_to, Cluster::id(3));
}

TEST(Transfer, BadTargets_AreRefused) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  for (const int bad : {1, 4, 9}) {
    EXPECT_FALSE(cluster.transfer(1, bad)) << bad;
    EXPECT_EQ(cluster.refusal(1), Refusal::kBadTarget) << bad;
  }
  EXPECT_FALSE(cluster.transfer(2, 3));
  EXPECT_EQ(cluster.refusal(2), Refusal::kNotLeader);
  cluster.isolate(3);
  cluster.run(milliseconds(600));
  EXPECT_FALSE(cluster.transfer(1, 3));
  EXPECT_EQ(cluster.refusal(1), Refusal::kBadTarget) << "it is not heard";
}

TEST(Transfer, LeaderAlone_HasNobodyToHandOverTo) {
  Cluster cluster({.members = 1});
  cluster.run(milliseconds(10));
  EXPECT_FALSE(cluster.transfer(1, 0));
  EXPECT_EQ(cluster.refusal(1), Refusal::kBadTarget);
}

TEST(Transfer, BeforeTheFirstCommitOfTheTerm_IsRefused) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.pass(seconds(2));
  cluster.step(1, Tick{});
  cluster.deliver();
  for (const int member : {1, 2, 3}) cluster.persist(member), cluster.deliver();
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_FALSE(cluster.transfer(1, 2));
  EXPECT_EQ(cluster.refusal(1), Refusal::kNotReady);
}

TEST(Transfer, Campaign_IsNotHeldUpByStickiness_ThoughEverybodyHearsTheLeader) {
  Cluster cluster({.members = 5});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.transfer(1, 5);
  cluster.deliver();
  EXPECT_EQ(cluster.leader(), 5);
}

TEST(Transfer, InAJointConfiguration_TheTargetFinishesTheChange) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.change(1, voters({2, 3, 4})));
  ASSERT_TRUE(cluster.transfer(1, 4)) << "a voter of the new half";
  cluster.deliver();
  EXPECT_EQ(cluster.leader(), 4);
  EXPECT_EQ(describe(cluster.configuration(4)), "voters 2 3 4");
  EXPECT_EQ(cluster.count<Removed>(1), 1);
}

TEST(Transfer, ThatFailsInAJointConfiguration_HasTheLeaderFinishTheChangeItself) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3, 4})));
  ASSERT_TRUE(cluster.transfer(1, 4));
  cluster.cut(1, 4);
  cluster.deliver();
  EXPECT_TRUE(cluster.configuration(1).is_joint()) << "committed, but it appends nothing now";
  cluster.put_to_sleep(4);
  cluster.run(milliseconds(600));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1 2 3 4");
}

TEST(Transfer, ThatFailsWhileTheLeaderIsVotedOut_LetsItGo) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({2, 3})));
  for (const int member : {2, 3}) cluster.deliver(1, member), cluster.deliver(member, 1);
  ASSERT_FALSE(cluster.configuration(1).is_joint());
  ASSERT_TRUE(cluster.transfer(1, 2));
  cluster.put_to_sleep(2);
  // Everything reaches 2 but the message that tells it to campaign.
  for (int i = 0; i < 4 && cluster.core(1).commit() < cluster.core(1).status().last.index; ++i) {
    for (const int member : {2, 3}) {
      for (Message& message : cluster.take(1, member)) {
        if (std::holds_alternative<TimeoutNow>(message.body)) continue;
        cluster.step(member, Receive{std::move(message)});
      }
      cluster.deliver(member, 1);
    }
  }
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader) << "a handover is under way";
  cluster.drop(1, 2), cluster.drop(1, 3);
  cluster.step(1, PeerClosed{Cluster::id(2)});
  EXPECT_EQ(cluster.core(1).role(), RoleName::kFollower);
  cluster.wake_up(2);
  cluster.run(seconds(3));
  ASSERT_TRUE(cluster.leader());
  EXPECT_NE(*cluster.leader(), 1);
}

TEST(Transfer, TwentyInARow_LoseNothing) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  for (int i = 0; i < 20; ++i) {
    const int from = cluster.leader().value();
    ASSERT_TRUE(cluster.propose(from, std::to_string(i)));
    ASSERT_TRUE(cluster.transfer(from, 0));
    cluster.deliver();
    ASSERT_NE(cluster.leader(), from);
  }
  cluster.run(milliseconds(100));
  for (const int member : {1, 2, 3}) EXPECT_EQ(cluster.commands(member).size(), 20u);
}

}  // namespace
}  // namespace coord::raft

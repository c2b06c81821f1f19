// Members that leave: a leader that removes itself, a member that must not disturb, and what those
// who left are told (Raft §4.2).
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

TEST(Removal, LeaderThatRemovesItself_LeadsUntilThatIsCommitted_AndDoesNotCountItself) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({2, 3})));
  cluster.deliver(1, 2), cluster.deliver(2, 1);
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_LT(cluster.core(1).commit(), cluster.core(1).status().last.index)
      << "the joint one needs 3 as well: 2 alone is no majority of the new";
  cluster.deliver(1, 3), cluster.deliver(3, 1);
  ASSERT_FALSE(cluster.configuration(1).is_joint());
  const Index last = cluster.core(1).status().last.index;
  cluster.deliver(1, 2), cluster.deliver(2, 1);
  EXPECT_LT(cluster.core(1).commit(), last) << "it and 2 are no majority of 2 and 3";
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  cluster.deliver(1, 3), cluster.deliver(3, 1);
  EXPECT_EQ(cluster.core(1).commit(), last);
  EXPECT_EQ(cluster.core(1).role(), RoleName::kFollower);
  EXPECT_EQ(cluster.count<Removed>(1), 1);
  EXPECT_EQ(cluster.core(1).deadline(), Instant::max()) << "it does not campaign any more";
}

TEST(Removal, LeaderThatRemovedItself_HasASuccessorAtOnce_WhoKnowsThatItIsCommitted) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({2, 3})));
  const Instant before = cluster.now();
  cluster.deliver();
  EXPECT_EQ(cluster.now(), before) << "no timer had to fire";
  ASSERT_TRUE(cluster.leader());
  const int successor = *cluster.leader();
  EXPECT_NE(successor, 1);
  EXPECT_TRUE(cluster.core(successor).confirmed());
  EXPECT_EQ(describe(cluster.configuration(successor)), "voters 2 3");
  EXPECT_TRUE(cluster.propose(successor, "b"));
}

TEST(Removal, LeaderThatBecomesALearner_HandsOver_AndStaysAMember) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({2, 3}, {1})));
  cluster.deliver();
  ASSERT_TRUE(cluster.leader());
  EXPECT_NE(*cluster.leader(), 1);
  EXPECT_EQ(cluster.count<Removed>(1), 0);
  cluster.propose(*cluster.leader(), "a");
  cluster.run(milliseconds(100));
  EXPECT_EQ(cluster.commands(1).size(), 1u);
}

TEST(Removal, SuccessorThatIsNotReached_IsElectedInItsTime) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({2, 3})));
  while (cluster.core(1).role() == RoleName::kLeader) {
    for (const int member : {2, 3}) cluster.deliver(1, member), cluster.deliver(member, 1);
  }
  cluster.isolate(1);
  cluster.drop(1, 2), cluster.drop(1, 3);
  cluster.run(seconds(3));
  EXPECT_TRUE(cluster.leader());
}

TEST(Removal, LeaderThatIsNoVoterOfTheNewConfiguration_MayBeNeededToCommitIt) {
  // Only the one that leaves has the entry that makes it leave; without its campaign nobody could
  // be elected (Raft §4.2.2).
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({2, 3})));
  for (const int member : {2, 3}) cluster.deliver(1, member), cluster.deliver(member, 1);
  ASSERT_FALSE(cluster.configuration(1).is_joint());
  cluster.drop(1, 2), cluster.drop(1, 3);
  cluster.crash(1);
  cluster.crash(2);
  cluster.restart(1);
  ASSERT_EQ(describe(cluster.configuration(1)), "voters 2 3");
  EXPECT_LT(cluster.core(1).deadline(), Instant::max()) << "it has to campaign";
  cluster.restart(2);
  cluster.put_to_sleep(2), cluster.put_to_sleep(3);
  cluster.run(seconds(3));
  EXPECT_EQ(describe(cluster.configuration(2)), "voters 2 3");
  EXPECT_EQ(cluster.count<Removed>(1), 1) << "it led, committed its own removal, and went";
}

TEST(Removal, FormerLearnerThatLeavesTheVotersAgain_MayBeNeeded_WhateverItRemembersAsCommitted) {
  // As above, but after its restart it knows of nothing that is committed after it was a learner.
  Cluster cluster({.members = 1, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.transfer(1, 2));
  cluster.run(milliseconds(300));
  ASSERT_EQ(cluster.leader(), 2);
  ASSERT_TRUE(cluster.change(2, voters({1}, {2})));
  cluster.deliver(2, 1), cluster.deliver(1, 2);
  ASSERT_EQ(describe(cluster.configuration(2)), "voters 1, learners 2");
  cluster.drop(2, 1);
  ASSERT_TRUE(cluster.configuration(1).is_joint());
  for (const int member : {1, 2}) cluster.crash(member), cluster.restart(member);
  cluster.run(seconds(5));
  EXPECT_EQ(cluster.leader(), 1);
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1, learners 2");
}

TEST(Removal, RemovedMember_IsToldSo) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.deliver();
  EXPECT_EQ(cluster.count<Removed>(3), 1);
  EXPECT_EQ(cluster.core(3).deadline(), Instant::max());
  cluster.run(seconds(3));
  EXPECT_FALSE(cluster.core(1).status().peers.contains(Cluster::id(3))) << "and then forgotten";
}

TEST(Removal, RemovedMemberThatIsCutOffForAWhile_IsToldLater) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.isolate(3);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.run(seconds(1));
  EXPECT_EQ(cluster.count<Removed>(3), 0);
  cluster.heal();
  cluster.run(milliseconds(500));
  EXPECT_EQ(cluster.count<Removed>(3), 1);
}

TEST(Removal, MemberThatIsRemovedWhileTheLeaderChanges_IsToldByTheNextOne) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  while (!cluster.configuration(3).is_joint()) {
    ASSERT_TRUE(cluster.deliver_one(1, 3, 0, /*again=*/false));
  }
  cluster.deliver(1, 2), cluster.deliver(2, 1);
  ASSERT_FALSE(cluster.configuration(1).is_joint());
  cluster.deliver(1, 2);
  cluster.drop(1, 3), cluster.drop(2, 1);
  ASSERT_TRUE(cluster.configuration(3).is_joint()) << "it does not know that it is out";
  cluster.crash(1);
  cluster.restart(1);
  cluster.elect(2);
  cluster.run(milliseconds(300));
  EXPECT_EQ(cluster.count<Removed>(3), 1);
}

TEST(Removal, LearnerThatWasAddedAndRemovedBeforeItHeardOfEither_IsTold) {
  Cluster cluster({.joining = 1});
  cluster.elect(1);
  cluster.isolate(4);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3}, {4})));
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3})));
  cluster.run(milliseconds(100));
  cluster.heal();
  cluster.run(milliseconds(500));
  EXPECT_EQ(cluster.count<Removed>(4), 1);
  // Of a member that has never been one, nothing of the kind is said while it is brought in.
  EXPECT_EQ(cluster.count<Removed>(3), 0);
}

TEST(Removal, MemberThatIsBeingBroughtIn_IsNotToldThatItIsOut) {
  Cluster cluster({.joining = 1});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({1, 2}, {4})));
  cluster.run(milliseconds(300));
  EXPECT_EQ(cluster.count<Removed>(4), 0) << "it reads of configurations without it first";
  EXPECT_EQ(cluster.terms(4), cluster.terms(1));
}

TEST(Removal, RemovedMemberThatWasNotTold_DisturbsNobody) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.isolate(3);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.run(seconds(4));
  cluster.heal();
  const Term term = cluster.core(1).term();
  cluster.run(seconds(10));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term);
  cluster.propose(1, "a");
  cluster.run(milliseconds(100));
  EXPECT_EQ(cluster.commands(2).size(), 1u);
}

TEST(Removal, RemovedMembersAcknowledgements_AreNotCounted) {
  Cluster cluster({.members = 4});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3})));
  cluster.run(milliseconds(100));
  ASSERT_FALSE(cluster.configuration(1).contains(Cluster::id(4)));
  cluster.isolate(2), cluster.isolate(3);
  const Index before = cluster.core(1).commit();
  cluster.propose(1, "a");
  cluster.deliver();
  EXPECT_EQ(cluster.core(1).commit(), before);
}

TEST(Removal, RemovedFromTwo_TheOtherOneDecidesAlone) {
  Cluster cluster({.members = 2});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1})));
  cluster.run(milliseconds(100));
  cluster.crash(2);
  cluster.propose(1, "a");
  EXPECT_EQ(cluster.commands(1).size(), 1u);
  cluster.crash(1);
  cluster.restart(1);
  cluster.run(milliseconds(100));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.commands(1).size(), 1u);
}

}  // namespace
}  // namespace coord::raft

// Changes of who takes part (Raft §4).
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

using Strings = std::vector<std::string>;

// Joining members that the leader has made learners, and that have caught up.
void add_learners(Cluster& cluster, int leader, std::vector<int> learners) {
  Configuration target = cluster.configuration(leader);
  for (const int learner : learners) target.learners.push_back(Cluster::id(learner));
  ASSERT_TRUE(cluster.change(leader, target));
  cluster.run(milliseconds(300));
}

TEST(Membership, ChangeOfVoters_GoesThroughAJointConfiguration_ThatTheLeaderLeavesByItself) {
  Cluster cluster({});
  cluster.elect(1);
  const LogId place = cluster.change(1, voters({1, 2})).value();
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1 2, outgoing 1 2 3");
  EXPECT_LT(cluster.core(1).commit(), place.index) << "in force when appended";
  cluster.deliver();
  for (const int member : {1, 2, 3}) {
    EXPECT_EQ(describe(cluster.configuration(member)), "voters 1 2") << member;
  }
  EXPECT_EQ(cluster.core(1).commit(), place.index + 1);
}

TEST(Membership, ChangeOfLearnersOnly_NeedsNoJointConfiguration) {
  Cluster cluster({.joining = 1});
  cluster.elect(1);
  const LogId place = cluster.change(1, voters({1, 2, 3}, {4})).value();
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1 2 3, learners 4");
  cluster.run(milliseconds(100));
  EXPECT_EQ(cluster.core(1).status().last, place);
  EXPECT_EQ(cluster.core(4).commit(), place.index);
}

TEST(Membership, FromOneToThree_AndBackToOne_KeepsEverything) {
  Cluster cluster({.members = 1, .joining = 2});
  cluster.run(milliseconds(10));
  cluster.propose(1, "a");
  add_learners(cluster, 1, {2, 3});
  EXPECT_EQ(cluster.commands(3), Strings{"a"});
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3})));
  cluster.run(milliseconds(100));
  cluster.propose(1, "b");
  cluster.run(milliseconds(100));
  ASSERT_TRUE(cluster.change(1, voters({1})));
  cluster.run(milliseconds(100));
  cluster.propose(1, "c");
  EXPECT_EQ(cluster.commands(1), (Strings{"a", "b", "c"})) << "the quorum is one again";
  EXPECT_EQ(cluster.count<Removed>(2), 1);
  EXPECT_EQ(cluster.count<Removed>(3), 1);
}

TEST(Membership, Learner_IsSentEverything_AndCountedNowhere) {
  Cluster cluster({.members = 2, .learners = 2});
  cluster.elect(1);
  cluster.isolate(2);
  const Index before = cluster.core(1).commit();
  cluster.propose(1, "a");
  cluster.deliver();
  EXPECT_EQ(cluster.core(1).commit(), before) << "one of two voters, whatever learners say";
  EXPECT_EQ(cluster.terms(3), cluster.terms(1));
  cluster.run(milliseconds(600));
  EXPECT_NE(cluster.core(1).role(), RoleName::kLeader) << "nor do they keep a leader in power";
  EXPECT_EQ(cluster.core(3).deadline(), Instant::max()) << "they do not campaign";
  cluster.run(seconds(5));
  EXPECT_NE(cluster.core(1).role(), RoleName::kLeader) << "nor do they elect one";
}

TEST(Membership, LearnersAnswerReads_AsTheLeaderSays) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  const Index place = cluster.propose(1, "a").value().index;
  cluster.deliver();
  cluster.step(4, Read{ReadId(1)});
  cluster.deliver();
  ASSERT_EQ(cluster.reads(4).size(), 1u);
  EXPECT_EQ(std::get<Index>(cluster.reads(4)[0].answer), place);
}

// --- What is refused -----------------------------------------------------------------------------

TEST(Membership, Change_IsRefused_UntilTheLeaderHasCommittedInItsTerm) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.pass(seconds(2));
  cluster.step(1, Tick{});
  cluster.deliver();
  for (const int member : {1, 2, 3}) cluster.persist(member), cluster.deliver();
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  ASSERT_FALSE(cluster.core(1).confirmed());
  EXPECT_FALSE(cluster.change(1, voters({1, 2})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kNotReady);
}

TEST(Membership, SecondChange_IsRefused_UntilTheFirstIsFinished) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  EXPECT_FALSE(cluster.change(1, voters({1, 3})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kChangeInFlight);
  // The joint configuration is committed, the one after it is not.
  for (const int from : {2, 3}) cluster.deliver(1, from), cluster.deliver(from, 1);
  ASSERT_FALSE(cluster.configuration(1).is_joint());
  EXPECT_FALSE(cluster.change(1, voters({1, 3})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kChangeInFlight);
  cluster.deliver();
  EXPECT_TRUE(cluster.change(1, voters({1})));
}

TEST(Membership, ChangeAfterAnElection_IsRefused_WhileAnotherOnesIsUnfinished) {
  Cluster cluster({.members = 4});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3})));
  for (const int member : {2, 3, 4}) cluster.deliver(1, member);
  cluster.crash(1);
  for (const int member : {2, 3, 4}) cluster.drop(member, 1);
  while (cluster.core(2).role() != RoleName::kLeader) {
    if (cluster.under_way().empty()) cluster.fire(2);
    for (const int member : {3, 4}) cluster.deliver(2, member);
    for (const int member : {3, 4}) cluster.deliver(member, 2);
  }
  EXPECT_FALSE(cluster.change(2, voters({2, 3})));
  EXPECT_EQ(cluster.refusal(2), Refusal::kNotReady);
  for (const int member : {3, 4}) cluster.deliver(2, member);
  for (const int member : {3, 4}) cluster.deliver(member, 2);
  ASSERT_EQ(describe(cluster.configuration(2)), "voters 1 2 3") << "left by the new leader";
  EXPECT_FALSE(cluster.change(2, voters({2, 3})));
  EXPECT_EQ(cluster.refusal(2), Refusal::kChangeInFlight);
  cluster.deliver();
  EXPECT_TRUE(cluster.change(2, voters({2, 3})));
}

TEST(Membership, BadConfigurations_AreRefused) {
  Cluster cluster({});
  cluster.elect(1);
  Configuration joint = voters({1, 2});
  joint.outgoing = {Cluster::id(3)};
  Configuration twice = voters({1, 2}, {2});
  Configuration stranger = voters({1, 2});
  stranger.addresses[Cluster::id(9)] = "a:1";
  for (const Configuration& bad : {Configuration{}, joint, twice, stranger, voters({2, 1}),
                                   voters({0, 1}), voters({1, 1}), voters({1, 2, 3})}) {
    EXPECT_FALSE(cluster.change(1, bad)) << describe(bad);
    EXPECT_EQ(cluster.refusal(1), Refusal::kBadConfiguration) << describe(bad);
  }
  EXPECT_FALSE(cluster.change(2, voters({1, 2})));
  EXPECT_EQ(cluster.refusal(2), Refusal::kNotLeader);
}

TEST(Membership, NewVoter_IsRefused_UnlessItIsALearnerThatHasCaughtUp) {
  Cluster cluster({.joining = 1});
  cluster.elect(1);
  EXPECT_FALSE(cluster.change(1, voters({1, 2, 3, 4})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kNotCaughtUp) << "it is no learner";
  cluster.isolate(4);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3}, {4})));
  cluster.run(milliseconds(100));
  EXPECT_FALSE(cluster.change(1, voters({1, 2, 3, 4})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kNotCaughtUp) << "it has nothing";
  cluster.heal();
  cluster.run(milliseconds(300));
  EXPECT_TRUE(cluster.core(1).status().peers.at(Cluster::id(4)).caught_up);
  EXPECT_TRUE(cluster.change(1, voters({1, 2, 3, 4})));
}

// Nothing has to be appended to it any more that could show that it appends.
TEST(Membership, LearnerWhoseConnectionBreaks_IsCaughtUpAgain_AlsoWithoutAWrite) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  for (const bool restarted : {false, true}) {
    if (restarted) {
      cluster.crash(4);
      cluster.run(seconds(1));
      cluster.restart(4);
    }
    cluster.step(1, PeerUnreachable{Cluster::id(4)});
    cluster.run(milliseconds(500));
    EXPECT_TRUE(cluster.core(1).status().peers.at(Cluster::id(4)).caught_up) << restarted;
  }
  EXPECT_TRUE(cluster.change(1, voters({1, 2, 3, 4})));
}

TEST(Membership, LearnerThatIsSilent_IsNoLongerCaughtUp) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.core(1).status().peers.at(Cluster::id(4)).caught_up);
  cluster.isolate(4);
  cluster.run(milliseconds(600));
  EXPECT_FALSE(cluster.change(1, voters({1, 2, 3, 4})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kNotCaughtUp);
}

TEST(Membership, RemovedMember_HasToBecomeALearnerAgain_BeforeItIsAVoter) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.run(milliseconds(100));
  EXPECT_FALSE(cluster.change(1, voters({1, 2, 3}))) << "though it is still being told things";
  EXPECT_EQ(cluster.refusal(1), Refusal::kNotCaughtUp);
}

TEST(Membership, ChangeToMembersThatANewLeaderHasNeverHeard_IsRefused) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(3);
  cluster.run(milliseconds(600));
  ASSERT_TRUE(cluster.transfer(1, 2));
  cluster.run(milliseconds(20));
  ASSERT_EQ(cluster.core(2).role(), RoleName::kLeader);
  ASSERT_TRUE(cluster.core(2).status().confirmed);
  EXPECT_FALSE(cluster.core(2).status().peers.at(Cluster::id(3)).recently_active);
  EXPECT_FALSE(cluster.change(2, voters({2, 3}))) << "nothing could be committed any more";
  EXPECT_EQ(cluster.refusal(2), Refusal::kNotReady) << "3 may just not have answered yet";
  cluster.run(milliseconds(600));
  EXPECT_FALSE(cluster.change(2, voters({2, 3})));
  EXPECT_EQ(cluster.refusal(2), Refusal::kWouldLoseQuorum);
  EXPECT_TRUE(cluster.change(2, voters({1, 2})));
}

TEST(Membership, ChangeThatWouldLoseTheQuorum_IsRefused) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(3);
  cluster.run(milliseconds(600));
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_FALSE(cluster.change(1, voters({1, 3})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kWouldLoseQuorum) << "3 is not heard";
  EXPECT_FALSE(cluster.change(1, voters({3})));
  EXPECT_EQ(cluster.refusal(1), Refusal::kWouldLoseQuorum);
  EXPECT_TRUE(cluster.change(1, voters({1, 2}))) << "removing the one that is gone";
  cluster.run(milliseconds(100));
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1 2");
}

TEST(Membership, ConfigurationEntries_AreNotRefusedForWantOfRoom) {
  Cluster::Options options;
  options.core.uncommitted_bytes_max = 100;
  Cluster cluster(options);
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, std::string(90, 'x')));
  ASSERT_FALSE(cluster.propose(1, std::string(90, 'x')));
  EXPECT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.deliver();
  EXPECT_FALSE(cluster.configuration(1).is_joint()) << "left, with the room used up";
}

// --- Joint consensus -----------------------------------------------------------------------------

// Four voters come for {1, 2, 3}; the joint configuration is in force at the leader only.
Cluster joint_cluster() {
  Cluster cluster({.members = 3, .learners = 3});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  EXPECT_TRUE(cluster.change(1, voters({4, 5, 6})));
  return cluster;
}

TEST(Membership, JointEntry_NeedsAMajorityOfEach_NotOfTheUnion) {
  for (const bool old_half : {true, false}) {
    Cluster cluster = joint_cluster();
    const Index joint = cluster.core(1).status().last.index;
    // Five of six, or four, but of one half only the leader or nobody.
    for (const int member : {2, 3, 4, 5, 6}) {
      const bool is_old = member <= 3;
      if (is_old != old_half) continue;
      cluster.deliver(1, member), cluster.deliver(member, 1);
    }
    EXPECT_LT(cluster.core(1).commit(), joint);
    const int missing = old_half ? 4 : 2;
    cluster.deliver(1, missing), cluster.deliver(missing, 1);
    EXPECT_EQ(cluster.core(1).commit() >= joint, !old_half) << "one of three new ones is too few";
  }
}

TEST(Membership, ElectionInAJointConfiguration_NeedsAMajorityOfEach) {
  Cluster cluster = joint_cluster();
  for (const int member : {2, 3, 4, 5, 6}) cluster.deliver(1, member);
  cluster.crash(1);
  for (const int member : {2, 3, 4, 5, 6}) cluster.drop(member, 1);
  // 2 hears all of the old half that is left and one of the new.
  cluster.isolate(5), cluster.isolate(6);
  cluster.pass(seconds(2));
  for (int tries = 0; tries < 3; ++tries) cluster.fire(2), cluster.deliver();
  EXPECT_NE(cluster.core(2).role(), RoleName::kLeader);
  cluster.heal();
  cluster.run(seconds(4));
  EXPECT_EQ(describe(cluster.configuration(5)), "voters 4 5 6");
}

TEST(Membership, CheckQuorumInAJointConfiguration_NeedsAMajorityOfEach) {
  for (const std::vector<int>& silent : {std::vector{4, 5}, std::vector{2, 3}}) {
    Cluster cluster({.members = 3, .learners = 3});
    cluster.elect(1);
    cluster.run(milliseconds(300));
    // The joint configuration cannot be committed either way, and so is not left.
    for (const int member : silent) cluster.isolate(member);
    ASSERT_TRUE(cluster.change(1, voters({4, 5, 6})));
    cluster.run(milliseconds(700));
    EXPECT_NE(cluster.core(1).role(), RoleName::kLeader);
  }
}

TEST(Membership, ReadInAJointConfiguration_NeedsAMajorityOfEach) {
  Cluster cluster = joint_cluster();
  for (const int member : {2, 3, 4, 5, 6}) cluster.drop(1, member);
  cluster.step(1, Read{ReadId(1)});
  for (const int member : {2, 3, 4}) cluster.deliver(1, member), cluster.deliver(member, 1);
  EXPECT_TRUE(cluster.reads(1).empty()) << "one of the new three";
  cluster.deliver(1, 5), cluster.deliver(5, 1);
  EXPECT_EQ(cluster.reads(1).size(), 1u);
}

TEST(Membership, JointConfiguration_IsLeftByWhicheverLeaderComesNext) {
  Cluster cluster = joint_cluster();
  for (const int member : {2, 3, 4, 5, 6}) cluster.deliver(1, member);
  cluster.crash(1);
  cluster.run(seconds(4));
  ASSERT_TRUE(cluster.leader());
  EXPECT_GE(*cluster.leader(), 4) << "the old ones have left";
  EXPECT_EQ(describe(cluster.configuration(*cluster.leader())), "voters 4 5 6");
  EXPECT_TRUE(cluster.propose(*cluster.leader(), "a"));
}

TEST(Membership, ConfigurationThatIsTruncated_GivesWayToTheOneBefore) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.isolate(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  EXPECT_TRUE(cluster.configuration(1).is_joint());
  cluster.elect(2);
  cluster.heal();
  cluster.run(seconds(1));
  EXPECT_GE(cluster.count<Truncated>(1), 1);
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1 2 3");
  EXPECT_EQ(cluster.count<ConfigurationChanged>(1), 2) << "there, and back";
}

TEST(Membership, ConfigurationThatIsTruncated_GivesWayToTheOneBefore_AfterACutAndARestart) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3}, {4})));
  cluster.deliver();
  cluster.compact(1);
  cluster.isolate(1);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.crash(1);
  cluster.restart(1);
  EXPECT_TRUE(cluster.configuration(1).is_joint()) << "in force, though uncommitted";
  cluster.elect(2);
  cluster.heal();
  cluster.run(seconds(1));
  EXPECT_EQ(describe(cluster.configuration(1)), "voters 1 2 3, learners 4");
}

TEST(Membership, PeerThatIsPromoted_KeepsWhatIsKnownOfIt) {
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.run(milliseconds(300));
  const Index match = cluster.core(1).status().peers.at(Cluster::id(4)).match;
  ASSERT_GT(match, Index(0));
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3, 4})));
  EXPECT_EQ(cluster.core(1).status().peers.at(Cluster::id(4)).match, match);
}

TEST(Membership, Vote_IsGrantedByTheLog_NotByOwnViewOfWhoTakesPart) {
  // 4 has not heard yet that it is a voter; the candidate's log says so.
  Cluster cluster({.members = 3, .learners = 1});
  cluster.elect(1);
  cluster.run(milliseconds(300));
  cluster.cut(1, 4);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3, 4})));
  cluster.deliver(1, 2), cluster.deliver(1, 3);
  cluster.crash(1);
  ASSERT_EQ(describe(cluster.configuration(4)), "voters 1 2 3, learners 4");
  cluster.elect(2);
  EXPECT_EQ(describe(cluster.configuration(4)), "voters 1 2 3 4");
}

}  // namespace
}  // namespace coord::raft

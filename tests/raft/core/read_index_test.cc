#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

int count_heartbeats(const std::vector<Message>& messages) {
  int count = 0;
  for (const Message& message : messages) {
    count += std::holds_alternative<Heartbeat>(message.body) ? 1 : 0;
  }
  return count;
}

TEST(ReadIndex, Leader_AnswersNoReads_UntilFirstCommitInTerm) {
  Cluster cluster({});
  cluster.crash(3);
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver();
  cluster.isolate(1);
  cluster.restart(3);
  // 2 leads the next term and has an entry that it does not know to be committed.
  for (int i = 0; i < 5 && cluster.core(2).role() != RoleName::kLeader; ++i) {
    cluster.pass(seconds(2));
    cluster.step(2, Tick{});
    cluster.deliver(2, 3), cluster.deliver(3, 2), cluster.deliver(2, 3), cluster.deliver(3, 2);
  }
  ASSERT_EQ(cluster.core(2).role(), RoleName::kLeader);
  ASSERT_FALSE(cluster.core(2).confirmed());
  cluster.step(2, Read{ReadId(1)});
  const Term term = cluster.core(2).term();
  cluster.receive(2, cluster.message(3, 2, term, HeartbeatReply{Round(0)}));
  EXPECT_TRUE(cluster.reads(2).empty());
  cluster.deliver();
  ASSERT_EQ(cluster.reads(2).size(), 1u);
  EXPECT_TRUE(cluster.core(2).confirmed());
  EXPECT_EQ(std::get<Index>(cluster.reads(2)[0].answer), cluster.core(2).status().last.index);
}

TEST(ReadIndex, ReadsOfOneTurn_ShareOneRound) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  Core& leader = cluster.core(1);
  for (std::uint64_t i = 1; i <= 50; ++i) leader.step(cluster.now(), Read{ReadId(i)});
  const Output output = leader.take_output();
  EXPECT_EQ(output.send.size(), 2u);
  EXPECT_EQ(count_heartbeats(output.send), 2);
}

TEST(ReadIndex, ReadThatArrivesDuringARound_WaitsForTheNext) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.step(1, Read{ReadId(1)});
  const auto first = cluster.take(1, 2);
  cluster.drop(1, 3);
  ASSERT_EQ(count_heartbeats(first), 1);
  cluster.step(1, Read{ReadId(2)});
  EXPECT_TRUE(cluster.under_way().empty()) << "one round at a time";
  for (const Message& message : first) cluster.receive(2, message);
  cluster.deliver(2, 1);
  ASSERT_EQ(cluster.reads(1).size(), 1u) << "the acknowledgement is older than the second read";
  EXPECT_EQ(cluster.reads(1)[0].id, ReadId(1));
  cluster.deliver();
  EXPECT_EQ(cluster.reads(1).size(), 2u);
}

TEST(ReadIndex, RepeatedAcknowledgement_ConfirmsNoLaterRound) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.step(1, Read{ReadId(1)});
  cluster.deliver(1, 2);
  const auto replies = cluster.take(2, 1);
  for (const Message& reply : replies) cluster.receive(1, reply);
  ASSERT_EQ(cluster.reads(1).size(), 1u);
  cluster.step(1, Read{ReadId(2)});
  for (const Message& reply : replies) cluster.receive(1, reply);
  EXPECT_EQ(cluster.reads(1).size(), 1u);
}

TEST(ReadIndex, IsolatedLeader_AnswersNoRead_AndRefusesWhenItStepsDown) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.isolate(1);
  cluster.step(1, Read{ReadId(1)});
  cluster.run(milliseconds(400));
  EXPECT_TRUE(cluster.reads(1).empty());
  cluster.run(milliseconds(300));
  ASSERT_EQ(cluster.reads(1).size(), 1u);
  EXPECT_EQ(std::get<Refusal>(cluster.reads(1)[0].answer), Refusal::kLostLeader);
}

TEST(ReadIndex, LostRound_IsMadeUpForByTheNextHeartbeat) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.step(1, Read{ReadId(1)});
  cluster.drop(1, 2);
  cluster.drop(1, 3);
  cluster.run(milliseconds(100));
  EXPECT_EQ(cluster.reads(1).size(), 1u);
}

TEST(ReadIndex, LeaderThatIsLeftAlone_AnswersTheReadsOfTheRoundUnderWay) {
  Cluster cluster({.members = 2, .core = {}, .fast_disk = false});
  cluster.elect(1);
  cluster.deliver();
  ASSERT_TRUE(cluster.core(1).confirmed());
  ASSERT_TRUE(cluster.change(1, voters({1})));
  cluster.deliver();
  cluster.persist(2);
  cluster.deliver();
  // The other one has all that it is needed for. It never hears of the round.
  cluster.cut(1, 2);
  cluster.step(1, Read{ReadId(1)});
  ASSERT_TRUE(cluster.reads(1).empty()) << "both count in the joint configuration";
  cluster.persist(1);
  ASSERT_EQ(describe(cluster.configuration(1)), "voters 1");
  ASSERT_EQ(cluster.reads(1).size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Index>(cluster.reads(1)[0].answer));
  cluster.step(1, Read{ReadId(2)});
  EXPECT_EQ(cluster.reads(1).size(), 2u);
}

TEST(ReadIndex, Follower_AsksTheLeader_OnceForAllThatWait) {
  Cluster cluster({});
  cluster.elect(1);
  const Index place = cluster.propose(1, "a").value().index;
  cluster.deliver();
  Core& follower = cluster.core(2);
  for (std::uint64_t i = 1; i <= 9; ++i) follower.step(cluster.now(), Read{ReadId(i)});
  cluster.step(2, Read{ReadId(10)});
  EXPECT_EQ(cluster.under_way().size(), 1u);
  cluster.deliver();
  ASSERT_EQ(cluster.reads(2).size(), 10u);
  for (const ReadAnswer& read : cluster.reads(2)) EXPECT_EQ(std::get<Index>(read.answer), place);
}

TEST(ReadIndex, FollowerWithoutALeader_RefusesAfterAnElectionTimeout) {
  Cluster cluster({});
  for (int member : {1, 2, 3}) cluster.isolate(member);
  cluster.step(2, Read{ReadId(1)});
  cluster.run(milliseconds(990));
  EXPECT_TRUE(cluster.reads(2).empty()) << "one may turn up";
  cluster.run(milliseconds(20));
  ASSERT_EQ(cluster.reads(2).size(), 1u);
  EXPECT_EQ(std::get<Refusal>(cluster.reads(2)[0].answer), Refusal::kNoLeader);
}

TEST(ReadIndex, ReadOnAFollower_SurvivesAChangeOfLeader) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.crash(1);
  cluster.step(3, Read{ReadId(1)});
  cluster.step(2, PeerClosed{Cluster::id(1)});
  cluster.step(3, PeerClosed{Cluster::id(1)});
  cluster.run(milliseconds(200));
  ASSERT_EQ(cluster.reads(3).size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Index>(cluster.reads(3)[0].answer));
}

TEST(ReadIndex, AnswerToAFormerLife_IsNotTakenForTheNewOnes) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.step(2, Read{ReadId(1)});
  cluster.deliver(2, 1);
  cluster.deliver(1, 3);
  cluster.deliver(3, 1);
  const auto late = cluster.take(1, 2);
  cluster.crash(2);
  cluster.pass(milliseconds(1));
  cluster.restart(2);
  cluster.receive(2, cluster.message(1, 2, cluster.core(1).term(), Heartbeat{}));
  cluster.step(2, Read{ReadId(1)});
  for (const Message& message : late) {
    if (std::holds_alternative<ReadIndexReply>(message.body)) cluster.receive(2, message);
  }
  EXPECT_TRUE(cluster.reads(2).empty());
  cluster.deliver();
  EXPECT_EQ(cluster.reads(2).size(), 1u);
}

TEST(ReadIndex, WaitingReads_AreBounded) {
  Cluster cluster({});
  cluster.isolate(2);
  Core& core = cluster.core(2);
  for (std::uint64_t i = 1; i <= limits::kReadsWaitingMax; ++i) {
    core.step(cluster.now(), Read{ReadId(i)});
  }
  EXPECT_TRUE(core.take_output().reads.empty());
  core.step(cluster.now(), Read{ReadId(limits::kReadsWaitingMax + 1)});
  const Output output = core.take_output();
  ASSERT_EQ(output.reads.size(), 1u);
  EXPECT_EQ(std::get<Refusal>(output.reads[0].answer), Refusal::kOverloaded);
}

}  // namespace
}  // namespace coord::raft

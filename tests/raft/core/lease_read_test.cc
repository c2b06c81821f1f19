// Reads under a leader lease (Raft §6.4.1): an option, and what it rests on.
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

Cluster::Options leases() {
  Cluster::Options options;
  options.core.lease_reads = true;
  return options;
}

// 1 leads and has been heard by all, just now.
Cluster with_a_lease(Cluster::Options options = leases()) {
  Cluster cluster(std::move(options));
  cluster.run(seconds(1));  // what members may have promised in a former life is over
  cluster.elect(1);
  cluster.run(milliseconds(200));
  return cluster;
}

TEST(LeaseRead, UnderALease_NoRoundIsNeeded) {
  Cluster cluster = with_a_lease();
  cluster.isolate(1);
  cluster.step(1, Read{ReadId(1)});
  ASSERT_EQ(cluster.reads(1).size(), 1u);
  EXPECT_EQ(std::get<Index>(cluster.reads(1)[0].answer), cluster.core(1).commit());
}

TEST(LeaseRead, ByDefault_EveryReadNeedsARound) {
  Cluster cluster = with_a_lease({});
  cluster.isolate(1);
  cluster.step(1, Read{ReadId(1)});
  EXPECT_TRUE(cluster.reads(1).empty());
}

TEST(LeaseRead, Lease_IsCountedFromWhenTheRoundWasSent_LessWhatClocksMayDrift) {
  for (const bool late : {false, true}) {
    Cluster cluster = with_a_lease();
    cluster.run(milliseconds(49));
    // The newest round that is acknowledged was begun at most this long ago; from then on nothing
    // arrives, and what does arrive late does not make it younger.
    cluster.step(1, Tick{});
    const auto begin = cluster.now();
    for (const int member : {2, 3}) cluster.drop(1, member);
    Instant heartbeat = begin;
    // Another round, whose acknowledgements take 300 ms.
    while (cluster.under_way().empty()) cluster.fire(1), heartbeat = cluster.now();
    cluster.deliver(1, 2), cluster.deliver(1, 3);
    cluster.pass(milliseconds(300));
    cluster.deliver(2, 1), cluster.deliver(3, 1);
    cluster.isolate(1);
    const Duration lease = milliseconds(450);
    cluster.pass(heartbeat + lease - cluster.now() - (late ? milliseconds(0) : nanoseconds(1)));
    for (const int member : {2, 3}) cluster.drop(1, member);
    cluster.step(1, Read{ReadId(1)});
    EXPECT_EQ(cluster.reads(1).size(), late ? 0u : 1u);
  }
}

TEST(LeaseRead, NewLeader_ReadsNothing_BeforeItsFirstCommit) {
  Cluster::Options slow = leases();
  slow.fast_disk = false;
  Cluster cluster(slow);
  cluster.run(seconds(1));
  cluster.pass(seconds(2));
  cluster.fire(1), cluster.deliver();
  for (const int member : {1, 2, 3}) cluster.persist(member), cluster.deliver();
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  cluster.fire(1), cluster.deliver();
  cluster.step(1, Read{ReadId(1)});
  EXPECT_TRUE(cluster.reads(1).empty());
}

TEST(LeaseRead, AfterTimeoutNow_ThereIsNoLeaseAnyMore) {
  Cluster cluster = with_a_lease();
  cluster.transfer(1, 2);
  ASSERT_FALSE(cluster.take(1, 2).empty());
  cluster.isolate(1);
  cluster.step(1, Read{ReadId(1)});
  EXPECT_TRUE(cluster.reads(1).empty()) << "2 may have been elected by now";
  cluster.heal();
  cluster.run(seconds(1));
  EXPECT_EQ(cluster.count<TransferFailed>(1) + cluster.count<SteppedDown>(1), 1);
}

TEST(LeaseRead, AfterATransferThatFailed_RoundsAreNeededForTheRestOfTheLeadership) {
  Cluster cluster = with_a_lease();
  cluster.put_to_sleep(2);
  cluster.transfer(1, 2);
  cluster.drop(1, 2);
  cluster.cut(1, 2);
  cluster.run(milliseconds(600));
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  ASSERT_EQ(cluster.count<TransferFailed>(1), 1);
  cluster.isolate(1);
  cluster.step(1, Read{ReadId(1)});
  EXPECT_TRUE(cluster.reads(1).empty()) << "the message to 2 may arrive at any time";
}

TEST(LeaseRead, ClosedConnection_IsNoHint_WhereReadsRestOnTheFullTimeout) {
  Cluster cluster = with_a_lease();
  const Instant before = cluster.core(2).deadline();
  cluster.step(2, PeerClosed{Cluster::id(1)});
  EXPECT_EQ(cluster.core(2).leader(), Cluster::id(1));
  EXPECT_EQ(cluster.core(2).deadline(), before);
}

TEST(LeaseRead, MemberThatRestarts_KeepsWhatItMayHavePromised) {
  Cluster cluster = with_a_lease();
  const Term term = cluster.core(1).term();
  const LogId last = cluster.core(1).status().last;
  cluster.crash(2);
  cluster.restart(2);
  cluster.receive(2, cluster.message(3, 2, term + 1, VoteRequest{.pre_vote = true, .last = last}));
  EXPECT_FALSE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
  cluster.receive(2, cluster.message(3, 2, term + 1, VoteRequest{.last = last}));
  EXPECT_TRUE(cluster.take(2, 3).empty());
  EXPECT_EQ(cluster.core(2).term(), term);
  cluster.pass(milliseconds(500));
  cluster.receive(2, cluster.message(3, 2, term + 1, VoteRequest{.last = last}));
  EXPECT_TRUE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
}

// Of two members the other may have led, removed itself, and not heard yet that this one has stored
// that: then its lease counts this one's promise still, while this one's log says that it is alone.
TEST(LeaseRead, MemberThatRestartsAlone_KeepsWhatItMayHavePromised) {
  for (const bool lease_reads : {false, true}) {
    CoreOptions options;
    options.cluster = ClusterId(7);
    options.self = Cluster::id(1);
    options.lease_reads = lease_reads;
    Restored restored;
    restored.configuration.voters = {Cluster::id(1)};
    restored.first_index = Index(1);
    const Instant start(seconds(1000));
    const Core core(options, restored, start);
    EXPECT_EQ(core.deadline() - start, lease_reads ? options.election_timeout_min : Duration(0));
  }
}

TEST(LeaseRead, TermThatRises_DoesNotEndAPromise) {
  // 2 has promised 1 not to help anybody else for a while. A late answer of 3 raises its term; the
  // leader that it promised something to leads on and answers reads.
  Cluster cluster = with_a_lease();
  const Term term = cluster.core(1).term();
  const LogId last = cluster.core(1).status().last;
  cluster.receive(2,
                  cluster.message(3, 2, term + 1, VoteReply{.pre_vote = true, .granted = false}));
  ASSERT_EQ(cluster.core(2).term(), term + 1);
  cluster.receive(2, cluster.message(3, 2, term + 1, VoteRequest{.last = last}));
  for (const Message& message : cluster.take(2, 3)) {
    EXPECT_FALSE(std::get<VoteReply>(message.body).granted) << "1 still reads under its lease";
  }
  cluster.receive(2, cluster.message(3, 2, term + 2, VoteRequest{.pre_vote = true, .last = last}));
  EXPECT_FALSE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
  cluster.pass(milliseconds(500));
  cluster.receive(2, cluster.message(3, 2, term + 1, VoteRequest{.last = last}));
  EXPECT_TRUE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
}

TEST(LeaseRead, FollowersRead_UnderTheLeadersLease) {
  Cluster cluster = with_a_lease();
  cluster.step(2, Read{ReadId(1)});
  cluster.deliver(2, 1);
  cluster.deliver(1, 2);
  EXPECT_EQ(cluster.reads(2).size(), 1u) << "there and back, and no round";
}

TEST(LeaseRead, InAJointConfiguration_NeedsAMajorityOfEach) {
  Cluster::Options options = leases();
  options.learners = 3;
  options.core.clock_drift_percent_max = 50;
  Cluster cluster(options);
  cluster.run(seconds(1));
  cluster.elect(1);
  cluster.run(milliseconds(300));
  for (const int member : {4, 5, 6}) cluster.isolate(member);
  cluster.run(milliseconds(400));
  ASSERT_TRUE(cluster.change(1, voters({4, 5, 6})));
  cluster.step(1, Read{ReadId(1)});
  EXPECT_TRUE(cluster.reads(1).empty()) << "the new half has promised nothing lately";
}

TEST(LeaseRead, LeaderAlone_NeedsNoPromise) {
  Cluster::Options options = leases();
  options.members = 1;
  Cluster cluster(options);
  cluster.run(seconds(1));
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  cluster.step(1, Read{ReadId(1)});
  EXPECT_EQ(cluster.reads(1).size(), 1u);
}

}  // namespace
}  // namespace coord::raft

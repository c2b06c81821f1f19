// Followers that need what was cut from the log are given the state (Raft §5.1).
#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

template <class FactType>
const FactType* last_fact(Cluster& cluster, int member) {
  const FactType* last = nullptr;
  for (const Fact& fact : cluster.facts(member)) {
    if (const auto* found = std::get_if<FactType>(&fact)) last = found;
  }
  return last;
}

Cluster::Options options() {
  Cluster::Options options;
  options.core.cached_log_bytes_max = 0;
  options.fast_loads = true;
  return options;
}

void propose(Cluster& cluster, int leader, int count) {
  for (int i = 0; i < count; ++i) {
    ASSERT_TRUE(cluster.propose(leader, "command " + std::to_string(i)));
    cluster.deliver();
  }
}

// 1 leads, 3 has nothing of what 1 and 2 have cut from their logs.
Cluster with_a_laggard(Cluster::Options options, int commands = 10) {
  Cluster cluster(std::move(options));
  cluster.elect(1);
  cluster.isolate(3);
  propose(cluster, 1, commands);
  cluster.compact(1);
  cluster.compact(2);
  cluster.heal();
  return cluster;
}

// 3 is being sent a snapshot, of which a piece leaves with each send_chunk(1, 3).
Cluster with_a_transfer_by_hand() {
  Cluster::Options by_hand = options();
  by_hand.fast_transfers = false;
  Cluster cluster = with_a_laggard(std::move(by_hand));
  cluster.run(milliseconds(200));
  return cluster;
}

TEST(Snapshot, PeerThatNeedsWhatWasCut_IsGivenTheState_AndThenTheLog) {
  Cluster cluster = with_a_laggard(options());
  cluster.run(milliseconds(300));
  EXPECT_EQ(cluster.count<PeerNeedsSnapshot>(1), 1);
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
  EXPECT_EQ(cluster.disk(3).base, cluster.disk(1).base) << "its log begins where that ends";
  EXPECT_FALSE(cluster.is_transferring(1, 3));
  propose(cluster, 1, 3);
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
}

TEST(Snapshot, EmptyMemberThatJoins_IsGivenTheState_AndItsConfiguration) {
  Cluster::Options with_joining = options();
  with_joining.joining = 1;
  Cluster cluster(with_joining);
  cluster.elect(1);
  propose(cluster, 1, 5);
  ASSERT_TRUE(cluster.change(1, voters({1, 2, 3}, {4})));
  cluster.drop(1, 4);
  cluster.deliver();
  cluster.compact(1);
  cluster.run(milliseconds(300));
  EXPECT_EQ(cluster.commands(4), cluster.commands(1));
  EXPECT_EQ(describe(cluster.configuration(4)), "voters 1 2 3, learners 4");
  cluster.crash(4);
  cluster.restart(4);
  EXPECT_EQ(describe(cluster.configuration(4)), "voters 1 2 3, learners 4");
}

TEST(Snapshot, PiecesThatAreLost_AreSentAgain_FromWhereItWasBrokenOff) {
  Cluster cluster = with_a_transfer_by_hand();
  ASSERT_TRUE(cluster.is_transferring(1, 3));
  cluster.send_chunk(1, 3);
  cluster.deliver();
  cluster.send_chunk(1, 3);
  cluster.drop(1, 3);
  cluster.step(1, PeerUnreachable{Cluster::id(3)});
  cluster.step(1, PeerClosed{Cluster::id(3)});
  ASSERT_TRUE(cluster.is_transferring(1, 3)) << "a broken connection does not end it";
  ASSERT_TRUE(cluster.send_chunk(1, 3));
  const auto sent = cluster.take(1, 3);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(std::get<SnapshotChunk>(sent[0].body).offset, 64u);
  cluster.step(3, Receive{sent[0]});
  cluster.deliver();
  for (int i = 0; i < 20 && cluster.is_transferring(1, 3); ++i) {
    cluster.send_chunk(1, 3);
    cluster.deliver();
  }
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
}

TEST(Snapshot, NothingIsAppended_ToAPeerThatIsSentASnapshot) {
  Cluster cluster = with_a_transfer_by_hand();
  ASSERT_TRUE(cluster.core(1).status().peers.at(Cluster::id(3)).snapshot);
  propose(cluster, 1, 3);
  EXPECT_EQ(cluster.terms(3), "1") << "the first no-op, from before it was cut off";
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
}

TEST(Snapshot, ThatCannotBeHad_IsTriedAgain_AnElectionTimeoutLater) {
  Cluster cluster = with_a_transfer_by_hand();
  ASSERT_TRUE(cluster.is_transferring(1, 3));
  cluster.fail_snapshot(1, 3);
  cluster.run(milliseconds(450));
  EXPECT_FALSE(cluster.is_transferring(1, 3)) << "whatever signs of life it gives meanwhile";
  cluster.run(milliseconds(150));
  EXPECT_TRUE(cluster.is_transferring(1, 3));
}

TEST(Snapshot, OlderThanWhatIsCommitted_IsRefused_AndTheLeaderToldSo) {
  Cluster cluster({});
  cluster.elect(1);
  propose(cluster, 1, 5);
  const CoreStatus before = cluster.core(2).status();
  cluster.receive(2, cluster.message(1, 2, cluster.core(1).term(),
                                     SnapshotChunk{.last = {before.term, Index(3)},
                                                   .size = 8,
                                                   .checksum = 0,
                                                   .offset = 0,
                                                   .data = text("12345678")}));
  EXPECT_EQ(cluster.core(2).commit(), before.commit);
  const auto sent = cluster.take(2, 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(std::get<AppendReply>(sent[0].body).match, Index(3));
  EXPECT_EQ(cluster.count<SnapshotTaken>(2), 0);
}

TEST(Snapshot, ThatHasBecomeOldWhileItTravelled_IsNotInstalled) {
  Cluster cluster({});
  cluster.elect(1);
  propose(cluster, 1, 5);
  const LogId old{cluster.core(2).term(), Index(3)};
  cluster.step(2, SnapshotReceived{old, cluster.configuration(2)});
  EXPECT_FALSE(cluster.is_installing(2));
  EXPECT_EQ(cluster.count<SnapshotTaken>(2), 0);
}

TEST(Snapshot, ThatHasBecomeOldWhileItWasChecked_IsNotAcknowledgedToOneself) {
  Cluster cluster({});
  cluster.elect(1);
  propose(cluster, 1, 5);
  const LogId old{cluster.core(1).term(), Index(3)};
  cluster.step(1, SnapshotReceived{old, cluster.configuration(1)});
  EXPECT_FALSE(cluster.is_installing(1));
  EXPECT_TRUE(cluster.take(1, 1).empty());
}

TEST(Snapshot, LeaderOfAPastTerm_IsToldSo_WhenItSendsAPiece) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.elect(2);
  cluster.receive(
      3, cluster.message(1, 3, Term(1), SnapshotChunk{.last = {Term(1), Index(9)}, .size = 1}));
  const auto sent = cluster.take(3, 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].term, cluster.core(3).term());
  // Not one that says how much of that snapshot is stored: it may be sent again by now.
  EXPECT_FALSE(std::holds_alternative<SnapshotReply>(sent[0].body));
}

TEST(Snapshot, WhoseLogWasCutFurtherMeanwhile_IsFollowedByANewerOne) {
  Cluster cluster = with_a_transfer_by_hand();
  cluster.send_chunk(1, 3);  // of the old one
  propose(cluster, 1, 10);
  cluster.compact(1);
  for (int i = 0; i < 50 && cluster.is_transferring(1, 3); ++i) {
    cluster.send_chunk(1, 3);
    cluster.deliver();
  }
  EXPECT_FALSE(cluster.is_transferring(1, 3));
  EXPECT_EQ(cluster.count<SnapshotTaken>(3), 2);
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
}

TEST(Snapshot, AnswerThatItIsInstalled_MayBeLost) {
  Cluster::Options by_hand = options();
  by_hand.fast_installs = false;
  Cluster cluster = with_a_laggard(by_hand);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.is_installing(3));
  cluster.install(3);
  cluster.drop(3, 1);
  cluster.propose(1, "z");
  cluster.run(milliseconds(200));
  EXPECT_FALSE(cluster.is_transferring(1, 3));
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
  EXPECT_EQ(cluster.count<PeerNeedsSnapshot>(1), 1);
}

TEST(Snapshot, ThatThePeerHasFromElsewhere_IsNotSentToItsEnd) {
  Cluster cluster = with_a_transfer_by_hand();
  cluster.send_chunk(1, 3);
  cluster.deliver();
  cluster.offer_snapshot(3, cluster.disk(2).state);
  cluster.drop(3, 1);
  cluster.send_chunk(1, 3);
  cluster.run(milliseconds(100));
  EXPECT_FALSE(cluster.is_transferring(1, 3));
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
}

TEST(Snapshot, Transfer_EndsWithTheLeadership) {
  Cluster cluster = with_a_transfer_by_hand();
  ASSERT_TRUE(cluster.is_transferring(1, 3));
  cluster.transfer(1, 2);
  cluster.deliver();
  ASSERT_EQ(cluster.leader(), 2);
  EXPECT_FALSE(cluster.is_transferring(1, 3));
  cluster.run(milliseconds(200));
  EXPECT_TRUE(cluster.is_transferring(2, 3)) << "the next leader takes it up";
}

TEST(Snapshot, Transfer_EndsWhenThePeerIsDroppedForGood) {
  Cluster cluster = with_a_transfer_by_hand();
  ASSERT_TRUE(cluster.is_transferring(1, 3));
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.run(seconds(3));
  EXPECT_FALSE(cluster.is_transferring(1, 3));
}

// --- Installing, beside a log that goes on -------------------------------------------------------

TEST(Snapshot, NothingIsApplied_WhileItIsInstalled) {
  Cluster::Options by_hand = options();
  by_hand.fast_installs = false;
  Cluster cluster = with_a_laggard(by_hand);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.is_installing(3));
  EXPECT_TRUE(cluster.commands(3).empty());
  cluster.install(3);
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
  EXPECT_FALSE(last_fact<SnapshotTaken>(cluster, 3)->kept);
  cluster.run(milliseconds(200));
  EXPECT_EQ(cluster.core(1).status().peers.at(Cluster::id(3)).match,
            cluster.core(1).status().last.index);
}

// 3 is installing 1's state after five commands, and has meanwhile heard of none of them, or, of
// `entries`, been sent the log after all.
Cluster with_an_install_under_way(Cluster::Options by_hand, bool entries) {
  by_hand.fast_installs = false;
  by_hand.core.cached_log_bytes_max = 1000000;
  Cluster cluster(std::move(by_hand));
  cluster.elect(1);
  cluster.isolate(3);
  propose(cluster, 1, 5);
  cluster.flush(1);
  propose(cluster, 1, 5);
  cluster.heal();
  cluster.offer_snapshot(3, cluster.disk(1).state);
  EXPECT_TRUE(cluster.is_installing(3));
  if (entries) cluster.run(milliseconds(300));
  return cluster;
}

TEST(Snapshot, EntriesBehindIt_ThatWereAcknowledged_AreKept) {
  Cluster cluster = with_an_install_under_way({}, true);
  ASSERT_EQ(cluster.terms(3), cluster.terms(1));
  EXPECT_TRUE(cluster.commands(3).empty()) << "nothing is handed out before that";
  EXPECT_EQ(cluster.core(3).commit(), cluster.core(1).commit());
  cluster.install(3);
  EXPECT_TRUE(last_fact<SnapshotTaken>(cluster, 3)->kept);
  EXPECT_EQ(cluster.terms(3), cluster.terms(1));
  EXPECT_EQ(cluster.commands(3), cluster.commands(1)) << "and it goes on behind it";
}

TEST(Snapshot, InstalledByAMemberThatLeadsByThen_LeavesItsLogAlone) {
  Cluster cluster = with_an_install_under_way({}, true);
  cluster.transfer(1, 3);
  cluster.deliver();
  ASSERT_EQ(cluster.leader(), 3);
  ASSERT_TRUE(cluster.propose(3, "z"));
  cluster.deliver();
  ASSERT_EQ(cluster.commands(1).size(), 11u);
  EXPECT_TRUE(cluster.commands(3).empty());
  cluster.install(3);
  EXPECT_EQ(cluster.core(3).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
  EXPECT_TRUE(cluster.propose(3, "y"));
  cluster.run(milliseconds(100));
  for (const int member : {1, 2, 3}) EXPECT_EQ(cluster.commands(member).size(), 12u);
}

TEST(Snapshot, InstalledByACandidate_GivesItTheLogOfTheLeader) {
  Cluster cluster = with_an_install_under_way({}, false);
  cluster.isolate(3);
  cluster.drop(1, 3), cluster.drop(2, 3);
  cluster.fire(3), cluster.fire(3);
  ASSERT_EQ(cluster.core(3).role(), RoleName::kPreCandidate);
  cluster.install(3);
  cluster.heal();
  cluster.run(seconds(2));
  ASSERT_TRUE(cluster.leader());
  for (const int member : {1, 2, 3}) EXPECT_EQ(cluster.commands(member).size(), 10u);
}

// What the leader sends again while the last piece's answer is lost may arrive in the turn in which
// the verdict comes.
TEST(Snapshot, PieceThatArrivesWithTheVerdict_DoesNotBeginAnother) {
  CoreOptions core_options;
  core_options.cluster = ClusterId(7);
  core_options.self = Cluster::id(2);
  Restored restored;
  restored.configuration = voters({1, 2, 3});
  restored.first_index = Index(1);
  Core core(core_options, restored, Instant{});
  const LogId last{Term(1), Index(4)};
  const auto piece = [&] {
    core.step(Instant{},
              Receive{{ClusterId(7), Cluster::id(1), Cluster::id(2), Term(1),
                       SnapshotChunk{.last = last, .size = 8, .data = text("12345678")}}});
  };
  piece();
  EXPECT_EQ(core.take_output().chunks.size(), 1u);
  piece();
  core.step(Instant{}, SnapshotReceived{last, voters({1, 2, 3})});
  const Output output = core.take_output();
  EXPECT_TRUE(output.install);
  EXPECT_TRUE(output.chunks.empty());
  // And while it is installed, the leader is told that it is all there.
  piece();
  const Output later = core.take_output();
  EXPECT_TRUE(later.chunks.empty());
  ASSERT_EQ(later.send.size(), 1u);
  EXPECT_EQ(std::get<SnapshotReply>(later.send[0].body).received, 8u);
}

TEST(Snapshot, SecondOneWhileTheFirstIsInstalled_DoesNotMixWithIt) {
  Cluster cluster = with_an_install_under_way({}, false);
  cluster.flush(1);
  cluster.offer_snapshot(3, cluster.disk(1).state);
  cluster.install(3);
  EXPECT_EQ(cluster.commands(3).size(), 5u) << "the first";
  EXPECT_FALSE(cluster.is_installing(3));
  cluster.run(milliseconds(200));
  EXPECT_EQ(cluster.commands(3).size(), 10u);
}

TEST(Snapshot, LogThatContradictsIt_IsGivenUp_WithItsConfiguration) {
  Cluster cluster(options());
  cluster.elect(3);
  cluster.run(milliseconds(100));
  cluster.isolate(3);
  for (int i = 0; i < 20; ++i) cluster.propose(3, "never committed");
  ASSERT_TRUE(cluster.change(3, voters({1, 3})));
  cluster.elect(1);
  propose(cluster, 1, 5);
  cluster.compact(1), cluster.compact(2);
  cluster.heal();
  cluster.run(milliseconds(500));
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
  EXPECT_EQ(cluster.terms(3), cluster.terms(1));
  EXPECT_EQ(describe(cluster.configuration(3)), "voters 1 2 3") << "not the one it made up";
  EXPECT_EQ(cluster.count<PeerNeedsSnapshot>(1), 1) << "once is enough";
}

TEST(Snapshot, ConfigurationInIt_IsInForceFromThenOn) {
  Cluster cluster(options());
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.isolate(3);
  ASSERT_TRUE(cluster.change(1, voters({1, 2}, {3})));
  cluster.deliver();
  cluster.compact(1), cluster.compact(2);
  ASSERT_EQ(describe(cluster.configuration(3)), "voters 1 2 3");
  cluster.heal();
  cluster.run(milliseconds(300));
  EXPECT_EQ(describe(cluster.configuration(3)), "voters 1 2, learners 3");
  EXPECT_EQ(cluster.core(3).deadline(), Instant::max());
}

TEST(Snapshot, OfAClusterThatHasRemovedTheMember_TellsItSo) {
  Cluster cluster(options());
  cluster.elect(1);
  cluster.run(milliseconds(100));
  cluster.isolate(3);
  ASSERT_TRUE(cluster.change(1, voters({1, 2})));
  cluster.deliver();
  cluster.compact(1), cluster.compact(2);
  cluster.heal();
  cluster.run(milliseconds(500));
  EXPECT_EQ(cluster.count<Removed>(3), 1);
}

// --- Crashes -------------------------------------------------------------------------------------

TEST(Snapshot, CrashBeforeItIsInstalled_HasItSentAgain) {
  Cluster::Options by_hand = options();
  by_hand.fast_installs = false;
  Cluster cluster = with_a_laggard(by_hand);
  cluster.run(milliseconds(300));
  ASSERT_TRUE(cluster.is_installing(3));
  cluster.crash(3);
  cluster.restart(3);
  EXPECT_TRUE(cluster.commands(3).empty());
  cluster.run(milliseconds(500));
  cluster.install(3);
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
}

TEST(Snapshot, CrashBetweenTheStateAndTheLogThatBeginsAfterIt_LosesNothing) {
  Cluster::Options slow = options();
  slow.fast_disk = false;
  slow.fast_installs = false;
  Cluster cluster(slow);
  cluster.elect(1);
  const auto settle = [&](std::vector<int> members) {
    for (int i = 0; i < 4; ++i) {
      for (const int member : members) cluster.persist(member);
      cluster.deliver();
    }
  };
  settle({1, 2, 3});
  cluster.isolate(3);
  propose(cluster, 1, 5);
  settle({1, 2});
  cluster.compact(1), cluster.compact(2);
  cluster.heal();
  for (int i = 0; i < 10 && !cluster.is_installing(3); ++i) {
    cluster.run(milliseconds(100));
    settle({1, 2, 3});
  }
  ASSERT_TRUE(cluster.is_installing(3));
  cluster.install(3);
  ASSERT_TRUE(cluster.has_unpersisted(3)) << "the log on disk is still the old one";
  EXPECT_TRUE(cluster.take(3, 1).empty()) << "and so nothing is acknowledged";
  cluster.crash(3);
  cluster.restart(3);
  settle({1, 2, 3});
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
  EXPECT_EQ(cluster.core(3).commit(), cluster.core(1).commit());
  EXPECT_TRUE(cluster.propose(1, "z"));
  for (int i = 0; i < 5; ++i) cluster.run(milliseconds(100)), settle({1, 2, 3});
  EXPECT_EQ(cluster.commands(3), cluster.commands(1));
}

TEST(Snapshot, EntriesThatWereNotYetWritten_AreNotDroppedFromMemory_BecauseTheStateHasThem) {
  // The state is durable through 4, the log on disk ends at 1: the entries between are still to be
  // written, or there would be a gap in the log.
  CoreOptions core_options;
  core_options.cluster = ClusterId(7);
  core_options.self = Cluster::id(2);
  core_options.cached_log_bytes_max = 0;
  Restored restored;
  restored.configuration = voters({1, 2, 3});
  restored.first_index = Index(1);
  Core core(core_options, restored, Instant{});
  const auto append = [&](std::uint64_t from, std::uint64_t through, std::uint64_t commit) {
    AppendRequest request{.previous = {Term(from == 1 ? 0 : 1), Index(from - 1)},
                          .commit = Index(commit),
                          .round = {},
                          .entries = {}};
    for (std::uint64_t i = from; i <= through; ++i) {
      request.entries.push_back({{Term(1), Index(i)}, EntryType::kCommand, text("x")});
    }
    core.step(Instant{}, Receive{{ClusterId(7), Cluster::id(1), Cluster::id(2), Term(1), request}});
  };
  append(1, 1, 1);
  core.step(Instant{}, Persisted{core.take_output().durable.value().ticket});
  EXPECT_EQ(core.take_output().committed.size(), 1u);
  core.step(Instant{}, SnapshotReceived{{Term(1), Index(4)}, voters({1, 2, 3})});
  EXPECT_TRUE(core.take_output().install);
  append(2, 6, 1);
  core.step(Instant{}, SnapshotInstalled{{Term(1), Index(4)}});
  core.step(Instant{}, Applied{Index(1)});
  const Output output = core.take_output();
  ASSERT_TRUE(output.durable);
  ASSERT_EQ(output.durable->append.size(), 5u);
  EXPECT_EQ(output.durable->append.front().id.index, Index(2));
}

TEST(Replication, EntriesForWhichThereIsNoRoom_AreTakenForLost) {
  CoreOptions core_options;
  core_options.cluster = ClusterId(7);
  core_options.self = Cluster::id(2);
  core_options.cached_log_bytes_max = 0;
  core_options.uncommitted_bytes_max = 3000;
  Restored restored;
  restored.configuration = voters({1, 2, 3});
  restored.first_index = Index(1);
  Core core(core_options, restored, Instant{});
  // The match that is acknowledged; zero if there is no answer.
  const auto append = [&](std::uint64_t index) {
    AppendRequest request{.previous = {Term(index == 1 ? 0 : 1), Index(index - 1)},
                          .commit = Index(index - 1),
                          .round = {},
                          .entries = {}};
    request.entries.push_back(
        {{Term(1), Index(index)}, EntryType::kCommand, text(std::string(1000, 'x'))});
    core.step(Instant{}, Receive{{ClusterId(7), Cluster::id(1), Cluster::id(2), Term(1), request}});
    const Output output = core.take_output();
    if (output.durable) core.step(Instant{}, Persisted{output.durable->ticket});
    for (const HeldMessage& held : output.held) {
      if (const auto* reply = std::get_if<AppendReply>(&held.message.body))
        return reply->match.value();
    }
    for (const Message& message : output.send) {
      if (const auto* reply = std::get_if<AppendReply>(&message.body)) return reply->match.value();
    }
    return std::uint64_t{0};
  };
  std::uint64_t next = 1;
  while (next < 10 && append(next) == next) ++next;
  ASSERT_LT(next, 5u) << "nothing was applied";
  EXPECT_EQ(append(next + 1), 0u) << "what follows is not asked for again at once either";
  core.step(Instant{}, Applied{Index(next - 2)});
  static_cast<void>(core.take_output());
  EXPECT_EQ(append(next), next) << "there is room again";
}

}  // namespace
}  // namespace coord::raft

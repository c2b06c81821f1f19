#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

using Strings = std::vector<std::string>;

std::vector<Entry> entries(Index from, std::vector<std::uint64_t> terms) {
  std::vector<Entry> result;
  for (const std::uint64_t term : terms) {
    result.push_back({{Term(term), from}, EntryType::kCommand, text("x")});
    from = from.next();
  }
  return result;
}

std::size_t count_appends(const std::vector<Message>& messages) {
  std::size_t count = 0;
  for (const Message& message : messages) {
    count += std::holds_alternative<AppendRequest>(message.body) ? 1 : 0;
  }
  return count;
}

AppendReply only_append_reply(const std::vector<Message>& messages) {
  EXPECT_EQ(messages.size(), 1u);
  return std::get<AppendReply>(messages.at(0).body);
}

TEST(Replication, Cluster_ElectsALeader_AndAppliesCommandsEverywhere) {
  Cluster cluster({});
  cluster.run(seconds(3));
  ASSERT_TRUE(cluster.leader());
  cluster.propose(*cluster.leader(), "a");
  cluster.propose(*cluster.leader(), "b");
  cluster.run(milliseconds(100));
  for (int member = 1; member <= 3; ++member) {
    EXPECT_EQ(cluster.commands(member), (Strings{"a", "b"}));
  }
}

TEST(Replication, ManyProposalsInOneTurn_BecomeOneAppendForEachPeer_AndOneWrite) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  Core& leader = cluster.core(1);
  for (int i = 0; i < 100; ++i) leader.step(cluster.now(), Propose{ProposalId(1), text("x")});
  const Output output = leader.take_output();
  EXPECT_EQ(output.proposals.size(), 100u);
  ASSERT_EQ(output.send.size(), 2u);
  EXPECT_EQ(std::get<AppendRequest>(output.send[0].body).entries.size(), 100u);
  ASSERT_TRUE(output.durable);
  EXPECT_EQ(output.durable->append.size(), 100u);
}

TEST(Replication, Leader_SendsBeforeItsOwnDiskHasIt_AndMayCommitWithoutItself) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.elect(1);
  cluster.run(milliseconds(1));
  for (int member : {1, 2, 3}) cluster.persist(member);
  cluster.deliver();
  const Index place = cluster.propose(1, "a").value().index;
  cluster.deliver();
  for (int member : {2, 3}) cluster.persist(member);
  cluster.deliver();
  EXPECT_EQ(cluster.core(1).commit(), place) << "the two others are a majority";
  EXPECT_TRUE(cluster.commands(1).empty()) << "but it is not durable here";
  cluster.persist(1);
  EXPECT_EQ(cluster.commands(1), Strings{"a"});
}

TEST(Replication, Leader_CountsItselfOnlyOnceItsDiskHasIt) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.elect(1);
  for (int member : {1, 2, 3}) cluster.persist(member);
  cluster.deliver();
  const Index before = cluster.core(1).commit();
  cluster.propose(1, "a");
  cluster.deliver();
  cluster.persist(2);
  cluster.deliver();
  EXPECT_EQ(cluster.core(1).commit(), before);
  cluster.persist(1);
  EXPECT_EQ(cluster.core(1).commit(), before + 1);
}

TEST(Replication, Follower_AcknowledgesOnlyWhatIsDurable) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.receive(
      2, cluster.message(1, 2, Term(1), AppendRequest{.entries = entries(Index(1), {1, 1})}));
  EXPECT_TRUE(cluster.under_way().empty());
  cluster.persist(2);
  const AppendReply reply = only_append_reply(cluster.take(2, 1));
  EXPECT_TRUE(reply.accepted);
  EXPECT_EQ(reply.match, Index(2));
}

TEST(Replication, RepeatedAppend_IsNotAcknowledgedBeforeTheFirstWriteIsDone) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  const Message append =
      cluster.message(1, 2, Term(1), AppendRequest{.entries = entries(Index(1), {1})});
  cluster.receive(2, append);
  cluster.receive(2, append);
  EXPECT_TRUE(cluster.under_way().empty());
  cluster.persist(2);
  EXPECT_EQ(cluster.take(2, 1).size(), 2u);
}

TEST(Replication, DelayedShorterAppend_TakesNothingOffTheLog) {
  Cluster cluster({});
  cluster.receive(
      2, cluster.message(1, 2, Term(1), AppendRequest{.entries = entries(Index(1), {1, 1, 1})}));
  cluster.drop(2, 1);
  cluster.receive(2,
                  cluster.message(1, 2, Term(1), AppendRequest{.entries = entries(Index(1), {1})}));
  EXPECT_EQ(cluster.terms(2), "1 1 1");
  EXPECT_EQ(only_append_reply(cluster.take(2, 1)).match, Index(1))
      << "of that append, not the log's end";
}

TEST(Replication, Conflict_IsOverwrittenFromWhereItBegins) {
  Cluster cluster({});
  cluster.receive(
      2, cluster.message(1, 2, Term(1), AppendRequest{.entries = entries(Index(1), {1, 1, 1})}));
  cluster.receive(
      2, cluster.message(3, 2, Term(2), AppendRequest{.entries = entries(Index(1), {1, 2})}));
  EXPECT_EQ(cluster.terms(2), "1 2");
  EXPECT_EQ(cluster.count<Truncated>(2), 1);
  EXPECT_EQ(cluster.disk(2).entries.size(), 2u);
}

TEST(Replication, CommitIndex_CoversOnlyWhatThatAppendHasCompared) {
  Cluster cluster({});
  cluster.receive(
      2, cluster.message(1, 2, Term(1), AppendRequest{.entries = entries(Index(1), {1, 1, 1})}));
  cluster.receive(
      2, cluster.message(3, 2, Term(2),
                         AppendRequest{.previous = {Term(1), Index(1)}, .commit = Index(3)}));
  EXPECT_EQ(cluster.core(2).commit(), Index(1));
}

TEST(Replication, Rejection_SkipsAWholeTermAtOnce) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(1, 2, Term(3),
                                     AppendRequest{.entries = entries(Index(1), {1, 3, 3, 3, 3})}));
  cluster.drop(2, 1);
  cluster.receive(2,
                  cluster.message(3, 2, Term(4), AppendRequest{.previous = {Term(2), Index(9)}}));
  const AppendReply reply = only_append_reply(cluster.take(2, 3));
  EXPECT_FALSE(reply.accepted);
  EXPECT_EQ(reply.rejected, Index(9));
  EXPECT_EQ(reply.hint, (LogId{Term(1), Index(1)})) << "what is of term 3 cannot be the leader's";
}

TEST(Replication, DivergentLogs_AreRepaired_InFewExchanges) {
  Cluster cluster({});
  cluster.edit_disk(1).hard_state = {Term(8), MemberId(0)};
  cluster.edit_disk(1).entries = entries(Index(1), {1, 1, 1, 4, 4, 5, 5, 6, 6, 6});
  cluster.edit_disk(2).hard_state = {Term(7), MemberId(0)};
  cluster.edit_disk(2).entries = entries(Index(1), {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7});
  cluster.edit_disk(3).hard_state = {Term(7), MemberId(0)};
  cluster.edit_disk(3).entries = entries(Index(1), {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3});
  for (int member : {1, 2, 3}) {
    cluster.crash(member);
    cluster.restart(member);
  }
  cluster.crash(2);
  cluster.elect(1);
  EXPECT_EQ(cluster.terms(3), cluster.terms(1));
  cluster.restart(2);
  cluster.run(milliseconds(200));
  EXPECT_EQ(cluster.terms(2), cluster.terms(1));
}

TEST(Replication, DivergentLogs_AreRepaired_InFewExchanges_WhereTheLeaderHasForgottenItsTerms) {
  // As what the leader of the past took on beside a partition, when much was written meanwhile.
  for (const int alike : {1, 100, 299}) {
    Cluster::Options options;
    options.core.cached_log_bytes_max = 0;
    options.fast_loads = true;
    Cluster cluster(options);
    std::vector<std::uint64_t> agreed(static_cast<std::size_t>(alike), 1);
    std::vector<std::uint64_t> newer = agreed;
    newer.resize(700, 3);
    agreed.resize(300, 2);
    for (int member : {1, 2, 3}) {
      cluster.edit_disk(member).hard_state = {Term(3), MemberId(0)};
      cluster.edit_disk(member).entries = entries(Index(1), member == 3 ? agreed : newer);
      cluster.crash(member);
      if (member != 3) cluster.restart(member);
    }
    cluster.elect(1);
    ASSERT_FALSE(cluster.core(1).at(Index(300)).has_value()) << "dropped from memory";
    int rejections = 0;
    cluster.listen([&](const std::string& line) {
      rejections += line.find("append rejected") != std::string::npos ? 1 : 0;
    });
    cluster.restart(3);
    cluster.run(seconds(1));
    EXPECT_EQ(cluster.terms(3), cluster.terms(1));
    EXPECT_LE(rejections, 12) << alike;
  }
}

// What all members have may be cut off the log at any time: a leader that goes back below it may
// find that it can only send a snapshot.
TEST(Replication, WhatEveryMemberHas_IsNotGoneBackBehind) {
  Cluster::Options options;
  options.core.cached_log_bytes_max = 0;
  options.fast_loads = true;
  Cluster cluster(options);
  cluster.elect(3);
  for (int i = 0; i < 100; ++i) cluster.propose(3, "of all");
  cluster.run(milliseconds(300));
  const Index held = cluster.core(1).status().held_by_all;
  ASSERT_GE(held, Index(100));
  cluster.isolate(3);
  for (int i = 0; i < 300; ++i) cluster.propose(3, "of nobody else");
  cluster.elect(1);
  for (int i = 0; i < 600; ++i) cluster.propose(1, "of most");
  cluster.run(milliseconds(300));
  cluster.elect(2);  // supposes that every log is as long as its own
  ASSERT_FALSE(cluster.core(2).at(held).has_value()) << "dropped from memory";
  Index lowest = Index::max();
  cluster.listen([&](const std::string&) {
    if (cluster.core(2).role() != RoleName::kLeader) return;
    lowest = std::min(lowest, cluster.core(2).status().peers.at(Cluster::id(3)).next);
  });
  cluster.heal();
  cluster.run(seconds(1));
  EXPECT_EQ(cluster.terms(3), cluster.terms(2));
  EXPECT_GT(lowest, held);
}

TEST(Replication, Figure37_EntryOfAnEarlierTermIsNotCommittedByCounting) {
  // (c) of the figure: S1 leads term 4 and has brought its entry of term 2 to a majority, but not
  // yet the one of term 4. (d): S5 could still be elected and overwrite it.
  Cluster cluster({.members = 5, .core = {}, .fast_disk = false});
  cluster.edit_disk(1).hard_state = {Term(3), MemberId(0)};
  cluster.edit_disk(1).entries = entries(Index(1), {1, 2});
  for (int member : {2, 3, 4}) cluster.edit_disk(member).hard_state = {Term(3), MemberId(0)};
  cluster.edit_disk(2).entries = entries(Index(1), {1, 2});
  cluster.edit_disk(3).entries = entries(Index(1), {1});
  cluster.edit_disk(4).entries = entries(Index(1), {1});
  cluster.edit_disk(5).hard_state = {Term(3), MemberId(5)};
  cluster.edit_disk(5).entries = entries(Index(1), {1, 3});
  for (int member = 1; member <= 5; ++member) {
    cluster.crash(member);
    cluster.restart(member);
  }
  cluster.isolate(1);
  cluster.pass(seconds(2));
  cluster.step(1, Tick{});
  for (bool pre_vote : {true, false}) {
    for (int member : {2, 3}) {
      const VoteReply granted{.pre_vote = pre_vote, .granted = true};
      cluster.receive(1, cluster.message(member, 1, Term(4), granted));
    }
    if (pre_vote) cluster.persist(1);
  }
  ASSERT_EQ(cluster.core(1).role(), RoleName::kLeader);
  const Term term = cluster.core(1).term();
  // Three of five say that they have entry 2, which is of term 2.
  for (int member : {2, 3, 4}) {
    cluster.receive(
        1, cluster.message(member, 1, term, AppendReply{.accepted = true, .match = Index(2)}));
  }
  EXPECT_EQ(cluster.core(1).commit(), Index(0));
  // (e): once the entry of the leader's own term is there too, both are committed.
  for (int member : {2, 3, 4}) {
    cluster.receive(
        1, cluster.message(member, 1, term, AppendReply{.accepted = true, .match = Index(3)}));
  }
  EXPECT_EQ(cluster.core(1).commit(), Index(3));
}

TEST(Replication, AcknowledgementsOfAnEarlierLeadership_DoNotCount) {
  Cluster cluster({});
  cluster.elect(1);
  const Term old_term = cluster.core(1).term();
  cluster.isolate(1);
  cluster.propose(1, "a");
  cluster.run(seconds(1));
  ASSERT_NE(cluster.core(1).role(), RoleName::kLeader);
  cluster.heal();
  cluster.crash(2);
  cluster.elect(1);
  ASSERT_GT(cluster.core(1).term(), old_term);
  cluster.isolate(1);
  const Index place = cluster.propose(1, "b").value().index;
  cluster.receive(1,
                  cluster.message(3, 1, old_term, AppendReply{.accepted = true, .match = place}));
  EXPECT_LT(cluster.core(1).commit(), place);
}

// The same member leads again when an append of its earlier leadership is answered.
TEST(Replication, AnswerToAnAppendOfThePast_RejectsNothingInThePresent) {
  Cluster cluster({});
  cluster.elect(1);
  const Term old_term = cluster.core(1).term();
  const LogId old = cluster.propose(1, "a").value();
  cluster.deliver();
  cluster.elect(2);
  cluster.elect(1);
  // What a probe of the new leadership, right there, might be rejected with.
  cluster.receive(3, cluster.message(1, 3, old_term, AppendRequest{.previous = old}));
  for (const Message& answer : cluster.take(3, 1)) {
    EXPECT_GT(answer.term, old_term);
    const auto* reply = std::get_if<AppendReply>(&answer.body);
    EXPECT_TRUE(reply == nullptr || reply->rejected.is_zero());
  }
}

TEST(Replication, LostAppend_IsSentAgain_ThoughNothingElseHappens) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(200));
  cluster.propose(1, "a");
  cluster.drop(1, 2);
  cluster.drop(1, 3);
  cluster.run(milliseconds(200));
  for (int member : {1, 2, 3}) EXPECT_EQ(cluster.commands(member), Strings{"a"});
}

TEST(Replication, FullWindow_ReopensAfterEverythingInItWasLost) {
  Cluster::Options options;
  options.core.inflight_appends_max = 4;
  Cluster cluster(options);
  cluster.elect(1);
  cluster.run(milliseconds(200));
  for (int i = 0; i < 20; ++i) cluster.propose(1, std::to_string(i));
  const auto lost = cluster.take(1, 2);
  EXPECT_EQ(count_appends(lost), 4u) << "the window is four appends";
  cluster.drop(1, 3);
  cluster.run(milliseconds(300));
  EXPECT_EQ(cluster.commands(2).size(), 20u);
  EXPECT_EQ(cluster.commands(3).size(), 20u);
}

TEST(Replication, WindowIsBoundedInBytesToo) {
  Cluster::Options options;
  options.core.append_bytes_max = 1000;
  options.core.inflight_bytes_max = 3000;
  Cluster cluster(options);
  cluster.elect(1);
  cluster.run(milliseconds(200));
  for (int i = 0; i < 20; ++i) cluster.propose(1, std::string(900, 'x'));
  EXPECT_EQ(count_appends(cluster.take(1, 2)), 4u) << "none is begun beyond the bound";
}

TEST(Replication, UnreachablePeer_IsNotSentToAgain_BeforeItShowsASignOfLife) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(200));
  cluster.isolate(2);
  for (int i = 0; i < 10; ++i) {
    cluster.propose(1, "x");
    cluster.step(1, PeerUnreachable{Cluster::id(2)});
    cluster.step(1, PeerUnreachable{Cluster::id(2)});
  }
  cluster.deliver();
  cluster.heal();
  cluster.step(1, PeerUnreachable{Cluster::id(2)});
  EXPECT_TRUE(cluster.take(1, 2).empty());
  cluster.run(milliseconds(200));
  EXPECT_EQ(cluster.commands(2).size(), 10u);
}

TEST(Replication, CommitIndex_ReachesFollowersAtOnce) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver();
  for (int member : {1, 2, 3}) EXPECT_EQ(cluster.commands(member), Strings{"a"});
}

TEST(Replication, Heartbeat_IsLeftOut_WhereAnAppendWasSent) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(500));
  int heartbeats = 0;
  for (int i = 0; i < 40; ++i) {
    cluster.propose(1, "x");
    cluster.deliver();
    cluster.pass(milliseconds(10));
    cluster.step(1, Tick{});
    for (const Message& message : cluster.under_way()) {
      if (std::holds_alternative<Heartbeat>(message.body)) ++heartbeats;
    }
    cluster.deliver();
  }
  // 8 intervals and two peers; the fourth heartbeat in a row is sent all the same.
  EXPECT_LE(heartbeats, 6);
  EXPECT_GT(heartbeats, 0);
}

TEST(Replication, TooManyUncommittedBytes_AreRefused_ButTheNoOpNever) {
  Cluster::Options options;
  options.core.uncommitted_bytes_max = 1000;
  Cluster cluster(options);
  cluster.elect(1);
  cluster.isolate(1);
  ASSERT_TRUE(cluster.propose(1, std::string(900, 'x')));
  EXPECT_FALSE(cluster.propose(1, std::string(200, 'x')));
  EXPECT_EQ(std::get<Refusal>(cluster.proposals(1).back().answer), Refusal::kOverloaded);
  cluster.heal();
  cluster.run(milliseconds(200));
  EXPECT_TRUE(cluster.propose(1, std::string(200, 'x')));
  // Larger than the bound, but nothing else is waiting.
  cluster.run(milliseconds(200));
  EXPECT_TRUE(cluster.propose(1, std::string(5000, 'x')));
  cluster.isolate(1);
  cluster.run(seconds(1));
  ASSERT_NE(cluster.core(1).role(), RoleName::kLeader);
  cluster.heal();
  cluster.run(seconds(3));
  EXPECT_TRUE(cluster.leader());
}

TEST(Replication, Proposal_IsRefusedByOthersThanTheLeader) {
  Cluster cluster({});
  EXPECT_FALSE(cluster.propose(2, "a"));
  EXPECT_EQ(std::get<Refusal>(cluster.proposals(2).back().answer), Refusal::kNotLeader);
}

TEST(Replication, WhatAllHold_IsSaidByTheLeader) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.run(milliseconds(300));
  const Index last = cluster.core(1).status().last.index;
  EXPECT_EQ(cluster.core(3).status().held_by_all, last);
  cluster.isolate(2);
  cluster.propose(1, "b");
  cluster.run(milliseconds(300));
  EXPECT_EQ(cluster.core(3).status().held_by_all, last) << "one does not hold the newest";
}

TEST(Replication, PeerBehindTheMemory_IsServedFromDisk) {
  Cluster::Options options;
  options.core.cached_log_bytes_max = 100;
  options.core.append_bytes_max = 200;
  Cluster cluster(options);
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 30; ++i) {
    cluster.propose(1, "0123456789");
    cluster.deliver();
  }
  EXPECT_FALSE(cluster.core(1).at(Index(1)).has_value()) << "dropped from memory";
  cluster.heal();
  for (int i = 0; i < 200 && cluster.commands(3).size() < 30; ++i) {
    cluster.run(milliseconds(20));
    EXPECT_LE(cluster.loads(1).size(), 1u) << "at most one is outstanding";
    for (const Load& load : std::exchange(cluster.loads(1), {})) {
      Loaded loaded{.peer = load.peer, .previous = {}, .entries = {}};
      const auto& disk = cluster.disk(1).entries;
      if (load.from > Index(1)) loaded.previous = disk.at(load.from.value() - 2).id;
      for (Index at = load.from; at <= load.through && loaded.entries.size() < 3; ++at) {
        loaded.entries.push_back(disk.at(at.value() - 1));
      }
      cluster.step(1, std::move(loaded));
    }
  }
  EXPECT_EQ(cluster.commands(3).size(), 30u);
}

TEST(Replication, PeerThatNeedsWhatWasCut_IsReportedOnce) {
  Cluster::Options options;
  options.core.cached_log_bytes_max = 0;
  Cluster cluster(options);
  cluster.crash(3);
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) {
    cluster.propose(1, "x");
    cluster.deliver();
  }
  cluster.step(1, LogCut{cluster.core(1).at(cluster.core(1).commit()).value()});
  cluster.restart(3);
  cluster.run(milliseconds(400));
  EXPECT_EQ(cluster.count<PeerNeedsSnapshot>(1), 1);
  EXPECT_TRUE(cluster.loads(1).empty());
}

TEST(Replication, EverythingAcknowledged_IsThereAfterAllWereKilled) {
  Cluster cluster({});
  cluster.run(seconds(2));
  for (int i = 0; i < 10; ++i) {
    cluster.propose(*cluster.leader(), std::to_string(i));
    cluster.run(milliseconds(10));
  }
  for (int member : {1, 2, 3}) cluster.crash(member);
  for (int member : {1, 2, 3}) cluster.restart(member);
  cluster.run(seconds(3));
  for (int member : {1, 2, 3}) EXPECT_EQ(cluster.commands(member).size(), 10u);
}

}  // namespace
}  // namespace coord::raft

#include "raft/core/describe.h"
#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

template <class Body>
const Body* find_body(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    if (const Body* body = std::get_if<Body>(&message.body)) return body;
  }
  return nullptr;
}

TEST(Election, Follower_AsksForPreVotesFirst_WithoutChangingItsTerm) {
  Cluster cluster({});
  cluster.pass(seconds(2));
  cluster.step(1, Tick{});
  EXPECT_EQ(cluster.core(1).role(), RoleName::kPreCandidate);
  EXPECT_EQ(cluster.core(1).term(), Term(0));
  const auto sent = cluster.take(1, 2);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(describe(sent[0]), "1 -> 2 term 1: pre-vote? last 0@0");
}

TEST(Election, PreVote_ChangesNothingAtWhoGrantsIt) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(1, 2, Term(9), VoteRequest{.pre_vote = true}));
  EXPECT_EQ(cluster.core(2).term(), Term(0));
  EXPECT_EQ(cluster.core(2).status().vote, MemberId(0));
  // The grant names the term that was asked for.
  const auto sent = cluster.take(2, 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(describe(sent[0]), "2 -> 1 term 9: pre-vote granted");
}

TEST(Election, PreVoteOfALowerTerm_IsRefusedWithOurTerm_NotDropped) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(3, 2, Term(5), HeartbeatReply{}));
  ASSERT_EQ(cluster.core(2).term(), Term(5));
  cluster.receive(2, cluster.message(1, 2, Term(3), VoteRequest{.pre_vote = true}));
  const auto sent = cluster.take(2, 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(describe(sent[0]), "2 -> 1 term 5: pre-vote refused");
}

TEST(Election, VoteReply_WaitsForTheDisk) {
  Cluster cluster({.fast_disk = false});
  cluster.receive(2, cluster.message(1, 2, Term(1), VoteRequest{}));
  EXPECT_TRUE(cluster.under_way().empty());
  cluster.persist(2);
  EXPECT_EQ(cluster.disk(2).hard_state, (HardState{Term(1), MemberId(1)}));
  const auto sent = cluster.take(2, 1);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(describe(sent[0]), "2 -> 1 term 1: vote granted");
}

TEST(Election, Candidate_AsksForVotesAndCountsItsOwn_OnlyOnceItIsDurable) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.pass(seconds(2));
  cluster.step(1, Tick{});
  cluster.deliver();
  ASSERT_EQ(cluster.core(1).role(), RoleName::kCandidate);
  EXPECT_TRUE(cluster.under_way().empty());
  // One vote from another is no majority while the own one can still be forgotten.
  cluster.receive(1, cluster.message(2, 1, Term(1), VoteReply{.pre_vote = false, .granted = true}));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kCandidate);
  cluster.persist(1);
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
}

TEST(Election, Vote_IsGivenOnceATerm_AndAgainToTheSameCandidate) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(1, 2, Term(1), VoteRequest{}));
  cluster.receive(2, cluster.message(3, 2, Term(1), VoteRequest{}));
  cluster.receive(2, cluster.message(1, 2, Term(1), VoteRequest{}));
  const auto to_first = cluster.take(2, 1);
  const auto to_other = cluster.take(2, 3);
  ASSERT_EQ(to_first.size(), 2u);
  EXPECT_TRUE(std::get<VoteReply>(to_first[0].body).granted);
  EXPECT_TRUE(std::get<VoteReply>(to_first[1].body).granted) << "the first answer may be lost";
  ASSERT_EQ(to_other.size(), 1u);
  EXPECT_FALSE(std::get<VoteReply>(to_other[0].body).granted);
}

TEST(Election, Vote_SurvivesARestart) {
  Cluster cluster({});
  cluster.receive(2, cluster.message(1, 2, Term(1), VoteRequest{}));
  cluster.crash(2);
  cluster.drop(2, 1);
  cluster.restart(2);
  cluster.receive(2, cluster.message(3, 2, Term(1), VoteRequest{}));
  const auto sent = cluster.take(2, 3);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_FALSE(std::get<VoteReply>(sent[0].body).granted);
}

TEST(Election, LongerLogOfAnOlderTerm_DoesNotBeatAShorterOneOfANewerTerm) {
  Cluster cluster({});
  cluster.edit_disk(2).hard_state = {Term(3), MemberId(0)};
  cluster.edit_disk(2).entries = {{{Term(3), Index(1)}, EntryType::kNoop, {}}};
  cluster.crash(2);
  cluster.restart(2);
  cluster.receive(2, cluster.message(1, 2, Term(4), VoteRequest{.last = {Term(2), Index(9)}}));
  EXPECT_FALSE(std::get<VoteReply>(cluster.take(2, 1).at(0).body).granted);
  cluster.receive(2, cluster.message(1, 2, Term(4), VoteRequest{.last = {Term(3), Index(1)}}));
  EXPECT_TRUE(std::get<VoteReply>(cluster.take(2, 1).at(0).body).granted);
}

TEST(Election, FailedCampaign_DoesNotPostponeOurOwn) {
  Cluster cluster({});
  cluster.edit_disk(2).hard_state = {Term(3), MemberId(0)};
  cluster.edit_disk(2).entries = {{{Term(3), Index(1)}, EntryType::kNoop, {}}};
  cluster.crash(2);
  cluster.restart(2);
  const Instant before = cluster.core(2).deadline();
  cluster.pass(milliseconds(400));
  cluster.receive(2, cluster.message(1, 2, Term(3), VoteRequest{}));
  EXPECT_EQ(cluster.core(2).deadline(), before);
}

TEST(Election, LateVotesOfAnEarlierTermOrOfPreVotes_DoNotElect) {
  Cluster cluster({.members = 5});
  cluster.isolate(1);
  cluster.pass(seconds(2));
  cluster.step(1, Tick{});
  for (int from : {2, 3}) {
    cluster.receive(
        1, cluster.message(from, 1, Term(1), VoteReply{.pre_vote = true, .granted = true}));
  }
  ASSERT_EQ(cluster.core(1).role(), RoleName::kCandidate);
  ASSERT_EQ(cluster.core(1).term(), Term(1));
  for (int from : {4, 5}) {
    cluster.receive(
        1, cluster.message(from, 1, Term(1), VoteReply{.pre_vote = true, .granted = true}));
    cluster.receive(
        1, cluster.message(from, 1, Term(0), VoteReply{.pre_vote = false, .granted = true}));
  }
  cluster.receive(1, cluster.message(2, 1, Term(1), VoteReply{.pre_vote = false, .granted = true}));
  cluster.receive(1, cluster.message(2, 1, Term(1), VoteReply{.pre_vote = false, .granted = true}));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kCandidate) << "two voters are no majority of five";
  cluster.receive(1, cluster.message(3, 1, Term(1), VoteReply{.pre_vote = false, .granted = true}));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
}

TEST(Election, SingleMember_LeadsAndCommits_OnceItsDiskAnswers) {
  Cluster cluster({.members = 1, .core = {}, .fast_disk = false});
  EXPECT_LE(cluster.core(1).deadline(), cluster.now()) << "nobody is there to be waited for";
  cluster.step(1, Tick{});
  EXPECT_EQ(cluster.core(1).role(), RoleName::kCandidate);
  cluster.persist(1);
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  cluster.propose(1, "a");
  EXPECT_TRUE(cluster.commands(1).empty());
  cluster.persist(1);
  EXPECT_EQ(cluster.commands(1), std::vector<std::string>{"a"});
  cluster.step(1, Read{ReadId(1)});
  ASSERT_EQ(cluster.reads(1).size(), 1u);
  EXPECT_EQ(std::get<Index>(cluster.reads(1)[0].answer), Index(2));
}

TEST(Election, MemberThatHearsTheLeader_HelpsNobodyElse) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.core(1).term();
  cluster.receive(
      2, cluster.message(3, 2, term + 1, VoteRequest{.pre_vote = true, .last = {term, Index(99)}}));
  EXPECT_FALSE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
  cluster.receive(2, cluster.message(3, 2, term + 5, VoteRequest{.last = {term, Index(99)}}));
  EXPECT_TRUE(cluster.take(2, 3).empty());
  EXPECT_EQ(cluster.core(2).term(), term);
  // Unless the leader wanted it, or is not heard any more.
  cluster.receive(
      2, cluster.message(3, 2, term + 5, VoteRequest{.transfer = true, .last = {term, Index(99)}}));
  EXPECT_TRUE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
}

TEST(Election, MemberThatHasNotHeardTheLeaderForTheMinimumTimeout_Helps) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.core(1).term();
  cluster.pass(milliseconds(499));
  cluster.receive(
      2, cluster.message(3, 2, term + 1, VoteRequest{.pre_vote = true, .last = {term, Index(99)}}));
  EXPECT_FALSE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
  cluster.pass(milliseconds(1));
  cluster.receive(
      2, cluster.message(3, 2, term + 1, VoteRequest{.pre_vote = true, .last = {term, Index(99)}}));
  EXPECT_TRUE(std::get<VoteReply>(cluster.take(2, 3).at(0).body).granted);
}

TEST(Election, MemberWithAHigherTermAndAShorterLog_IsTakenBackIn) {
  // It came to its term alone; nobody helps it to lead, and the leader is of the past to it.
  Cluster cluster({});
  cluster.edit_disk(3).hard_state = {Term(20), MemberId(3)};
  cluster.crash(3);
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.deliver();
  cluster.restart(3);
  cluster.run(seconds(4));
  ASSERT_TRUE(cluster.leader());
  EXPECT_GT(cluster.core(*cluster.leader()).term(), Term(20));
  EXPECT_EQ(cluster.commands(3), std::vector<std::string>{"a"});
}

TEST(Election, LeaderWithoutAQuorum_StepsDownWithinAnElectionTimeout) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(1);
  cluster.run(milliseconds(560));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kFollower);
  EXPECT_EQ(cluster.count<SteppedDown>(1), 1);
}

TEST(Election, LeaderHeardByAMajority_Stays_ThoughOneMemberHearsNobody) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.core(1).term();
  cluster.isolate(3);
  cluster.run(seconds(10));
  cluster.heal();
  cluster.run(seconds(5));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term) << "the lonely member raised no term";
}

TEST(Election, LeaderWhoseDiskDoesNotAnswer_StepsDown) {
  Cluster cluster({.members = 3, .core = {}, .fast_disk = false});
  cluster.elect(1);
  cluster.put_to_sleep(2);
  cluster.put_to_sleep(3);
  cluster.propose(1, "a");
  cluster.run(milliseconds(900));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  cluster.run(milliseconds(200));
  EXPECT_NE(cluster.core(1).role(), RoleName::kLeader);
}

TEST(Election, CrashedLeader_IsReplacedInTensOfMilliseconds_WhenItsConnectionsClose) {
  for (int round = 0; round < 20; ++round) {
    Cluster cluster({});
    cluster.run(seconds(3) + milliseconds(7 * round));
    const int crashed = cluster.leader().value();
    cluster.crash(crashed);
    const Instant begin = cluster.now();
    for (int member = 1; member <= 3; ++member) {
      cluster.step(member, PeerClosed{Cluster::id(crashed)});
    }
    while (!cluster.leader() && cluster.now() - begin < milliseconds(400)) {
      cluster.run(milliseconds(1));
    }
    EXPECT_LT(cluster.now() - begin, milliseconds(150));
  }
}

TEST(Election, OtherFollowerThatNoticesTheCloseLater_IsAskedAgainSoon) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run(milliseconds(10));
  cluster.crash(1);
  cluster.step(2, PeerClosed{Cluster::id(1)});
  cluster.run(milliseconds(31));
  ASSERT_EQ(cluster.core(2).role(), RoleName::kPreCandidate) << "refused: the other one hears it";
  cluster.put_to_sleep(3);
  cluster.step(3, PeerClosed{Cluster::id(1)});
  cluster.run(milliseconds(62));
  EXPECT_EQ(cluster.core(2).role(), RoleName::kLeader);
}

TEST(Election, OneBrokenConnection_DeposesNobody) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.core(1).term();
  cluster.step(2, PeerClosed{Cluster::id(1)});
  cluster.run(seconds(3));
  EXPECT_EQ(cluster.core(1).role(), RoleName::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term);
  EXPECT_EQ(cluster.core(2).leader(), Cluster::id(1));
}

TEST(Election, CloseOfAnotherFollowersConnection_IsNoHint) {
  Cluster cluster({});
  cluster.elect(1);
  const Instant before = cluster.core(2).deadline();
  cluster.step(2, PeerClosed{Cluster::id(3)});
  EXPECT_EQ(cluster.core(2).leader(), Cluster::id(1));
  EXPECT_EQ(cluster.core(2).deadline(), before);
}

TEST(Election, TimeoutNowFromTheLeader_StartsACampaignAtOnce) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.core(1).term();
  cluster.receive(2, cluster.message(3, 2, term, TimeoutNow{}));
  EXPECT_EQ(cluster.core(2).role(), RoleName::kFollower) << "only the leader may ask for it";
  cluster.receive(2, cluster.message(1, 2, term, TimeoutNow{}));
  const auto sent = cluster.take(2, 3);
  ASSERT_NE(find_body<VoteRequest>(sent), nullptr);
  EXPECT_TRUE(find_body<VoteRequest>(sent)->transfer);
  cluster.deliver();
  EXPECT_EQ(cluster.core(2).term(), term + 1);
}

TEST(Election, Timeouts_AreDrawnAnewForEveryWait) {
  Cluster cluster({});
  std::set<Duration> waits;
  cluster.isolate(1);
  for (int i = 0; i < 10; ++i) {
    const Duration wait = cluster.core(1).deadline() - cluster.now();
    EXPECT_GE(wait, milliseconds(500));
    EXPECT_LT(wait, milliseconds(1000));
    waits.insert(wait);
    cluster.pass(wait);
    cluster.step(1, Tick{});
  }
  EXPECT_GT(waits.size(), 8u);
}

TEST(Election, TornBatch_EntriesWithoutTheirTerm_RaiseItWithoutAVote) {
  Cluster cluster({});
  cluster.edit_disk(2).hard_state = {Term(1), MemberId(3)};
  cluster.edit_disk(2).entries = {{{Term(4), Index(1)}, EntryType::kNoop, {}}};
  cluster.crash(2);
  cluster.restart(2);
  EXPECT_EQ(cluster.core(2).term(), Term(4));
  EXPECT_EQ(cluster.core(2).status().vote, MemberId(0));
  cluster.step(2, Tick{});
  EXPECT_EQ(cluster.disk(2).hard_state.term, Term(4));
}

}  // namespace
}  // namespace coord::raft

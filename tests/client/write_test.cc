// Writes under faults: what is repeated, what applies once, and what a failed one is said to be.
#include "raft/base/limits.h"
#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

class WriteTest : public SimulatedClientTest {
 protected:
  std::size_t write_calls() const {
    std::size_t calls = 0;
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      calls += const_cast<Cluster&>(cluster).member(i).write_calls;
    }
    return calls;
  }
  using Applied = std::vector<std::string>;
};

TEST_F(WriteTest, Put_IsAcknowledged_AndReadBack) {
  auto result = put("a", "1");
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->revision, Revision(1));
  std::optional<Result<GetResult>> got;
  client().async_get("a", {}, into(got));
  auto record = wait(got);
  ASSERT_TRUE(record.ok());
  ASSERT_TRUE(record->found());
  EXPECT_EQ(record->record->value, "1");
  EXPECT_EQ(record->record->version, 1u);
}

TEST_F(WriteTest, ManyOperationsOfOneTurn_TravelInFewCalls) {
  ASSERT_TRUE(put("first", "").ok());
  const std::size_t before = write_calls();
  std::size_t answered = 0;
  for (int i = 0; i < 256; ++i) {
    client().async_put("k" + std::to_string(i), "v", {},
                       [&](Result<PutResult> result) { answered += result.ok(); });
  }
  EXPECT_TRUE(pass_until([&] { return answered == 256; }));
  EXPECT_EQ(write_calls() - before, 4u);
}

TEST_F(WriteTest, CallsStayBelowTheServersLimit_WhateverIsOutstanding) {
  std::size_t answered = 0;
  for (int i = 0; i < 8; ++i) {
    client().async_put("k" + std::to_string(i), std::string(600'000, 'x'), {},
                       [&](Result<PutResult> result) { answered += result.ok(); });
  }
  EXPECT_TRUE(pass_until([&] { return answered == 8; }));
  EXPECT_EQ(write_calls(), 1 + 8u);  // the session, and one a call
}

TEST_F(WriteTest, RequestThatNoServerTakes_IsRefused_WithoutBeingSent) {
  ASSERT_TRUE(put("a", "1").ok());
  const std::size_t before = write_calls();
  auto result = put("a", std::string(limits::kConfigurableRequestBytesMax, 'x'));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kRequestTooLarge);
  EXPECT_EQ(result.error().outcome, Outcome::kNotApplied);
  EXPECT_EQ(write_calls(), before);
  EXPECT_TRUE(put("a", "2").ok());
}

TEST_F(WriteTest, RepeatedWrite_AppliesOnce_WhenItsAnswerWasLost) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kApplyThenDrop};
  auto result = put("a", "2");
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, RepeatedWrite_AppliesOnce_WhenTheServerCouldNotTell) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kApplyThenUnknown};
  ASSERT_TRUE(put("a", "2").ok());
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, LostConnection_CostsNoTimeout_WhenAnotherMemberLeads) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kDropBefore};
  std::optional<Result<PutResult>> answer;
  client().async_put("a", "2", {}, into(answer));
  cluster.elect(&member(1));
  member(0).up = false;
  const Instant begin = now();
  ASSERT_TRUE(wait(answer).ok());
  EXPECT_LT(now() - begin, std::chrono::milliseconds(30));
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, LeaderlessWhile_IsWaitedOut_WithoutLosingTime) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kDropBefore};
  member(0).up = false;
  cluster.elect(nullptr);
  std::optional<Result<PutResult>> answer;
  client().async_put("a", "2", {}, into(answer));
  pass(std::chrono::milliseconds(200));
  EXPECT_FALSE(answer.has_value());
  cluster.elect(&member(2));
  const Instant elected = now();
  ASSERT_TRUE(wait(answer).ok());
  EXPECT_LE(now() - elected, std::chrono::milliseconds(60));
}

TEST_F(WriteTest, Refusal_WithAHint_GoesToTheLeaderAtOnce) {
  ASSERT_TRUE(put("a", "1").ok());
  cluster.elect(&member(2));
  const Instant begin = now();
  ASSERT_TRUE(put("a", "2").ok());
  EXPECT_EQ(now(), begin);
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, MemberThatForwards_IsLeft_ForTheLeader) {
  for (std::size_t i = 0; i < 3; ++i) member(i).refuses = false;
  ASSERT_TRUE(put("a", "1").ok());
  cluster.elect(&member(2));
  ASSERT_TRUE(put("a", "2").ok());  // answered by the new leader, through the old one
  pass(std::chrono::milliseconds(10));
  const std::size_t before = member(0).write_calls;
  ASSERT_TRUE(put("a", "3").ok());
  EXPECT_EQ(member(0).write_calls, before);
  EXPECT_GE(member(2).write_calls, 1u);
}

TEST_F(WriteTest, StoppedLeader_IsLeft_WhenTheOthersHaveAnother) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).stopped = true;
  std::optional<Result<PutResult>> answer;
  client().async_put("a", "2", {}, into(answer));
  pass(std::chrono::milliseconds(600));
  EXPECT_FALSE(answer.has_value());
  cluster.elect(&member(1));
  const Instant elected = now();
  ASSERT_TRUE(wait(answer).ok());
  EXPECT_LE(now() - elected, std::chrono::milliseconds(300));
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, LeaderThatIsNotHeardAnyMore_IsLeft_ForOneThatForwards) {
  member(1).refuses = false;
  member(2).refuses = false;
  ASSERT_TRUE(put("a", "1").ok());
  // The others do hear it: only the way from here to it is dead.
  member(0).stopped = true;
  const Instant begin = now();
  auto result = put("a", "2");
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_LT(now() - begin, seconds(2));
  ASSERT_TRUE(put("a", "3").ok());
  EXPECT_LT(now() - begin, seconds(2));
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2", "put a=3"}));
  // And gone back to when it can be reached.
  member(0).stopped = false;
  pass(seconds(5));
  ASSERT_TRUE(put("a", "4").ok());
  pass(seconds(1));
  const std::size_t before = member(0).write_calls;
  ASSERT_TRUE(put("a", "5").ok());
  EXPECT_EQ(member(0).write_calls, before + 1);
}

TEST_F(WriteTest, OnlyMemberThatIsNotHeardAnyMore_IsConnectedToAgain) {
  cluster.present = {0, 1};
  options.endpoints = {"member1:1"};
  ASSERT_TRUE(put("a", "1").ok());
  // What is asked of it meanwhile is never answered: neither the write, nor whether it is there.
  member(0).stopped = true;
  std::optional<Result<PutResult>> answer;
  client().async_put("a", "2", {}, into(answer));
  pass(milliseconds(1000));
  member(0).stopped = false;
  auto result = wait(answer);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(member(0).connections, 2u);
}

TEST_F(WriteTest, LeaderThatIsHeard_IsKept_HoweverLongItTakes) {
  ASSERT_TRUE(put("a", "1").ok());
  const std::size_t connections = member(0).connections;
  member(0).faults = {Fault::kStall};
  auto result = put("a", "2", {.timeout = seconds(20)});
  EXPECT_EQ(result.error().outcome, Outcome::kUnknown);
  EXPECT_EQ(member(0).connections, connections);
}

TEST_F(WriteTest, UnnumberedWrite_IsUnknown_WhenItsAnswerWasLost) {
  options.exactly_once = false;
  ASSERT_TRUE(put("a", "1").ok());
  EXPECT_TRUE(cluster.state.sessions.empty());
  for (const Fault fault : {Fault::kApplyThenDrop, Fault::kDropBefore, Fault::kApplyThenUnknown}) {
    member(0).faults = {fault};
    auto result = put("a", "2");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().outcome, Outcome::kUnknown);
    pass(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2", "put a=2"}));
}

TEST_F(WriteTest, UnnumberedWrite_IsRepeated_WhenItWasRefused) {
  options.exactly_once = false;
  member(0).faults = {Fault::kNotLeader, Fault::kNoQuorum};
  ASSERT_TRUE(put("a", "1").ok());
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1"}));
}

TEST_F(WriteTest, NoQuorum_IsRefusedAtTheTimeout_AsNotApplied) {
  ASSERT_TRUE(put("a", "1").ok());
  cluster.elect(nullptr);
  const Instant begin = now();
  auto result = put("a", "2", {.timeout = milliseconds(700)});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kNoQuorum);
  EXPECT_EQ(result.error().outcome, Outcome::kNotApplied);
  EXPECT_LE(now() - begin, std::chrono::milliseconds(700));
  EXPECT_GE(now() - begin, std::chrono::milliseconds(600));
}

TEST_F(WriteTest, NoQuorum_FromTheVeryBeginning_IsToldToo) {
  cluster.elect(nullptr);
  auto result = put("a", "2", {.timeout = milliseconds(700)});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kNoQuorum);
  EXPECT_EQ(result.error().outcome, Outcome::kNotApplied);
}

TEST_F(WriteTest, NobodyThere_IsUnreachable_AndNotApplied) {
  for (std::size_t i = 0; i < 3; ++i) member(i).up = false;
  auto result = put("a", "1");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(result.error().outcome, Outcome::kNotApplied);
}

TEST_F(WriteTest, TimeoutAfterAnAttemptInDoubt_IsUnknown) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kApplyThenDrop};
  std::optional<Result<PutResult>> answer;
  client().async_put("a", "2", {.timeout = milliseconds(500)}, into(answer));
  settle();
  cluster.elect(nullptr);
  auto result = wait(answer);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().outcome, Outcome::kUnknown);
}

TEST_F(WriteTest, TimeoutOfACallThatIsOut_IsUnknown) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kStall};
  auto result = put("a", "2", {.timeout = milliseconds(300)});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(result.error().outcome, Outcome::kUnknown);
}

TEST_F(WriteTest, RefusalOfTheRequestItself_IsNotRepeated) {
  auto result = put("", "1");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kEmptyKey);
  EXPECT_EQ(result.error().outcome, Outcome::kNotApplied);
  EXPECT_EQ(write_calls(), 2u);  // the session, and the put
}

TEST_F(WriteTest, ExpiredSession_IsFollowedByANewOne_WhenNothingDependedOnIt) {
  ASSERT_TRUE(put("a", "1").ok());
  ASSERT_EQ(cluster.state.sessions.size(), 1u);
  const std::uint64_t old = cluster.state.sessions.begin()->first;
  cluster.state.end_session(old);
  ASSERT_TRUE(put("a", "2").ok());
  ASSERT_EQ(cluster.state.sessions.size(), 1u);
  EXPECT_NE(cluster.state.sessions.begin()->first, old);
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, ExpiredSession_MakesAWriteInDoubtUnknown_AndIsNotReplaced) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kApplyThenDrop};
  std::optional<Result<PutResult>> answer;
  client().async_put("a", "2", {}, into(answer));
  settle();
  // Its reply goes with the session.
  while (!cluster.state.sessions.empty()) {
    cluster.state.end_session(cluster.state.sessions.begin()->first);
  }
  auto result = wait(answer);
  if (!result.ok()) {
    EXPECT_EQ(result.error().code, ErrorCode::kSessionExpired);
    EXPECT_EQ(result.error().outcome, Outcome::kUnknown);
  }
  EXPECT_EQ(cluster.state.applied, (Applied{"put a=1", "put a=2"}));
}

TEST_F(WriteTest, AnsweredRequests_AreTold_SoThatTheirRepliesCanGo) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(put("a", std::to_string(i)).ok());
  EXPECT_LE(cluster.state.sessions.begin()->second.replies.size(), 1u);
}

TEST_F(WriteTest, SessionOpening_NeverRepeatsAnId) {
  // The first attempt was applied and its answer lost: it must be left to expire, unused.
  member(0).faults = {Fault::kApplyThenDrop};
  ASSERT_TRUE(put("a", "1").ok());
  EXPECT_EQ(cluster.state.sessions.size(), 2u);
  std::size_t used = 0;
  for (const auto& [id, session] : cluster.state.sessions) used += !session.replies.empty();
  EXPECT_EQ(used, 1u);
}

TEST_F(WriteTest, SessionGrantedTooLateToBeBelievedIn_IsFollowedByAnother) {
  options.session_ttl = milliseconds(100);
  member(0).faults = {Fault::kServeLate};
  auto result = put("a", "1");
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_TRUE(put("a", "2").ok());
  // The first one is given up, and not left to expire.
  settle();
  EXPECT_EQ(cluster.state.sessions.size(), 1u);
}

TEST_F(WriteTest, SessionsThatAreAllGrantedTooLate_AreTheReasonThatIsTold) {
  options.session_ttl = milliseconds(100);
  member(0).faults = std::deque<Fault>(1000, Fault::kServeLate);
  auto result = put("a", "1", {.timeout = milliseconds(700)});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(result.error().outcome, Outcome::kNotApplied);
  EXPECT_NE(result.error().message.find("too late"), std::string::npos) << result.error().message;
  // Whoever opens one himself is given none that has ended already.
  const auto session =
      perform(op::OpenSession{{.ttl = milliseconds(100), .timeout = milliseconds(500)}});
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.error().code, ErrorCode::kDeadlineExceeded);
}

TEST_F(WriteTest, ClosedClient_CompletesWhatIsOutstanding) {
  ASSERT_TRUE(put("a", "1").ok());
  member(0).faults = {Fault::kStall};
  std::optional<Result<PutResult>> sent;
  std::optional<Result<PutResult>> unsent;
  client().async_put("a", "2", {}, into(sent));
  settle();
  client().async_put("a", "3", {}, into(unsent));
  destroy_client();
  ASSERT_TRUE(sent.has_value() && unsent.has_value());
  EXPECT_EQ(sent->error().code, ErrorCode::kCancelled);
  EXPECT_EQ(sent->error().outcome, Outcome::kUnknown);
  EXPECT_EQ(unsent->error().code, ErrorCode::kCancelled);
  EXPECT_EQ(unsent->error().outcome, Outcome::kNotApplied);
}

TEST_F(WriteTest, StaleReads_AreServed_WithoutAQuorum) {
  ASSERT_TRUE(put("a", "1").ok());
  cluster.elect(nullptr);
  std::optional<Result<GetResult>> got;
  client().async_get("a", {.consistency = Consistency::local()}, into(got));
  auto stale = wait(got);
  ASSERT_TRUE(stale.ok());
  EXPECT_EQ(stale->record->value, "1");
  EXPECT_EQ(stale->got.kind(), Consistency::Kind::kLocal);

  got.reset();
  client().async_get("a", {.timeout = milliseconds(300)}, into(got));
  auto fresh = wait(got);
  ASSERT_FALSE(fresh.ok());
  EXPECT_EQ(fresh.error().code, ErrorCode::kNoQuorum);
  EXPECT_EQ(fresh.error().outcome, Outcome::kNotApplied);
}

}  // namespace
}  // namespace coord::fake

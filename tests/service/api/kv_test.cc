// Writes and reads on members that agree, disagree and are cut off.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "service/api/command.h"
#include "tests/service/api/cluster.h"

namespace coord::service {
namespace {

using schema::WriteResult;

auto put(schema::Kv::Client kv, std::string_view key, std::string_view value,
         std::uint32_t deadline_ms = 0) {
  auto request = kv.writeRequest();
  request.setDeadlineMs(deadline_ms);
  fill_put(request.initWrites(1)[0], key, value);
  return request.send();
}

enum class Ask { kLinearizable, kLocal };

auto get(schema::Kv::Client kv, std::string_view key, Ask ask = Ask::kLinearizable) {
  auto request = kv.readRequest();
  request.initReads(1)[0].initRange().setBegin(bytes(key));
  if (ask == Ask::kLocal) request.initConsistency().setLocal();
  return request.send();
}

// The value, "-" for none, or the error.
template <class Response>
std::string value_of(const Response& response) {
  if (response.hasFailure()) {
    return std::string(to_string(static_cast<ErrorCode>(response.getFailure().getCode())));
  }
  const auto items = response.getResults()[0].getRange().getItems();
  if (items.size() == 0) return "-";
  const auto value = items[0].getValue();
  return {reinterpret_cast<const char*>(value.begin()), value.size()};
}

template <class Reader>
ErrorCode code_of(const Reader& failure) {
  return static_cast<ErrorCode>(failure.getCode());
}

TEST(Write, OfSeveral_AnswersEachByItself) {
  TestCluster cluster(1);
  auto request = cluster.leader().kv().writeRequest();
  auto writes = request.initWrites(4);
  fill_put(writes[0], "a", "1");
  fill_put(writes[1], "", "refused at the door");
  fill_put(writes[2], "b", "2");
  writes[2].getPut().setLease(99);  // refused by the state machine
  fill_put(writes[3], "c", "3");
  const auto response = cluster.wait(request.send());
  ASSERT_FALSE(response.hasFailure());
  const auto results = response.getResults();
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0].which(), WriteResult::PUT);
  EXPECT_EQ(code_of(results[1].getFailure()), ErrorCode::kEmptyKey);
  EXPECT_EQ(code_of(results[2].getFailure()), ErrorCode::kLeaseNotFound);
  EXPECT_EQ(results[3].which(), WriteResult::PUT);
  EXPECT_GT(results[3].getRevision(), results[0].getRevision());
  EXPECT_EQ(response.getHeader().getRevision(), results[3].getRevision());
}

TEST(Write, WithoutAnythingValid_IsAnsweredWithoutTheLog) {
  TestCluster cluster(1);
  TestMember& leader = cluster.leader();
  leader.log().held = true;
  auto response = cluster.wait(put(leader.kv(), "", "v"));
  EXPECT_EQ(code_of(response.getResults()[0].getFailure()), ErrorCode::kEmptyKey);
}

TEST(Write, LargerThanARequestMayBe_IsRefusedAsAWhole) {
  TestCluster cluster(1);
  auto request = cluster.leader().kv().writeRequest();
  auto writes = request.initWrites(2);
  const std::string value(limits::kValueBytesMax, 'v');
  fill_put(writes[0], "a", value);
  fill_put(writes[1], "b", value);
  const auto response = cluster.wait(request.send());
  EXPECT_EQ(code_of(response.getFailure()), ErrorCode::kRequestTooLarge);
  EXPECT_EQ(response.getFailure().getOutcome(), schema::Outcome::NOT_APPLIED);
}

TEST(Write, WhileTheServerIsOverloaded_IsRefusedAndToldWhenToComeBack) {
  TestCluster cluster(1);
  TestMember& leader = cluster.leader();
  Error overloaded = make_error(ErrorCode::kOverloaded, "too much");
  overloaded.retry_after = milliseconds(70);
  leader.refuse_writes = overloaded;
  const auto response = cluster.wait(put(leader.kv(), "a", "1"));
  EXPECT_EQ(code_of(response.getFailure()), ErrorCode::kOverloaded);
  EXPECT_EQ(response.getFailure().getRetryAfterMs(), 70u);
}

TEST(Follower, WithAWrite_PassesItOn) {
  TestCluster cluster(3);
  TestMember& follower = cluster.follower();
  const auto written = cluster.wait(put(follower.kv(), "a", "1"));
  ASSERT_FALSE(written.hasFailure()) << written.getFailure().getMessage().cStr();
  EXPECT_EQ(written.getResults()[0].which(), WriteResult::PUT);
  EXPECT_EQ(value_of(cluster.wait(get(follower.kv(), "a"))), "1");
  EXPECT_EQ(value_of(cluster.wait(get(cluster.leader().kv(), "a"))), "1");
}

TEST(Follower, WithAWriteThatWasPassedOn_RefusesIt) {
  TestCluster cluster(3);
  auto request = cluster.follower().forward().writeRequest();
  fill_put(request.initWrites(1)[0], "a", "1");
  const auto response = cluster.wait(request.send());
  EXPECT_EQ(code_of(response.getFailure()), ErrorCode::kNotLeader);
  EXPECT_EQ(response.getFailure().getOutcome(), schema::Outcome::NOT_APPLIED);
}

TEST(Follower, WhoseLeaderIsLostWithAWrite_DoesNotKnowWhatBecameOfIt) {
  TestCluster cluster(3);
  TestMember& follower = cluster.follower();
  TestMember& leader = cluster.leader();
  leader.log().held = true;
  cluster.member(6 - leader.id().value() - follower.id().value()).log().held = true;
  auto writing = put(follower.kv(), "a", "1");
  cluster.run(milliseconds(5));
  cluster.isolate(leader.id());
  const auto response = cluster.wait(kj::mv(writing));
  EXPECT_EQ(code_of(response.getFailure()), ErrorCode::kConnectionLost);
  EXPECT_EQ(response.getFailure().getOutcome(), schema::Outcome::UNKNOWN);
}

TEST(Write, DuringAnElection_WaitsForTheNewLeader) {
  TestCluster cluster(3);
  TestMember& old = cluster.leader();
  TestMember& follower = cluster.follower();
  cluster.isolate(old.id());
  const auto response = cluster.wait(put(follower.kv(), "a", "1", 10'000));
  ASSERT_FALSE(response.hasFailure()) << response.getFailure().getMessage().cStr();
  EXPECT_EQ(response.getResults()[0].which(), WriteResult::PUT);
}

TEST(Leader, ThatLosesItsQuorum_SaysUnknownForWhatItProposedAndRefusesTheRest) {
  TestCluster cluster(3);
  TestMember& leader = cluster.leader();
  cluster.wait(put(leader.kv(), "a", "1"));
  cluster.isolate(leader.id());
  const auto proposed = cluster.wait(put(leader.kv(), "a", "2", 2'000));
  EXPECT_EQ(code_of(proposed.getFailure()), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(proposed.getFailure().getOutcome(), schema::Outcome::UNKNOWN);
  cluster.run(seconds(5));
  const Instant asked = cluster.now();
  const auto refused = cluster.wait(put(leader.kv(), "a", "3"));
  EXPECT_EQ(code_of(refused.getFailure()), ErrorCode::kNoQuorum);
  EXPECT_EQ(refused.getFailure().getOutcome(), schema::Outcome::NOT_APPLIED);
  EXPECT_EQ(value_of(cluster.wait(get(leader.kv(), "a"))), "noQuorum");
  EXPECT_LT(cluster.now() - asked, milliseconds(50));
  EXPECT_EQ(value_of(cluster.wait(get(leader.kv(), "a", Ask::kLocal))), "1");
}

TEST(Proposal, WhosePlaceAnotherTermTakes_WasNeverApplied) {
  TestCluster cluster(3);
  TestMember& old = cluster.leader();
  cluster.isolate(old.id());
  // Not through the API, which would try again elsewhere.
  capnp::MallocMessageBuilder message;
  auto write = message.initRoot<schema::Write>();
  fill_put(write, "a", "old");
  const std::vector<schema::Write::Reader> writes{write.asReader()};
  auto proposed = old.applier().commit(encode_writes(writes, 0, 0, [] { return 1; }),
                                       cluster.now() + seconds(50));
  TestMember& next = cluster.leader();
  ASSERT_NE(&next, &old);
  cluster.wait(put(next.kv(), "a", "new"));
  cluster.heal();
  const auto answer = cluster.wait(kj::mv(proposed));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::kNotLeader);
  EXPECT_EQ(answer.error().outcome, Outcome::kNotApplied);
  EXPECT_EQ(value_of(cluster.wait(get(old.kv(), "a"))), "new");
}

TEST(Write, WhosePlaceAnotherTermTakes_IsTriedAgainAndAppliedOnce) {
  TestCluster cluster(3);
  TestMember& old = cluster.leader();
  cluster.isolate(old.id());
  auto writing = put(old.kv(), "a", "1", 50'000);
  cluster.run(milliseconds(5));
  cluster.wait(put(cluster.leader().kv(), "b", "2"));
  cluster.heal();
  const auto response = cluster.wait(kj::mv(writing));
  ASSERT_FALSE(response.hasFailure()) << response.getFailure().getMessage().cStr();
  const auto read = cluster.wait(get(cluster.leader().kv(), "a"));
  EXPECT_EQ(read.getResults()[0].getRange().getItems()[0].getVersion(), 1u);
}

TEST(Read, OfSeveral_AnswersEachByItselfAtOneRevision) {
  TestCluster cluster(1);
  TestMember& leader = cluster.leader();
  cluster.wait(put(leader.kv(), "a", "1"));
  cluster.wait(put(leader.kv(), "b", "2"));
  auto request = leader.kv().readRequest();
  auto reads = request.initReads(3);
  reads[0].initRange().setBegin(bytes("a"));
  reads[1].initRange().setBegin(bytes("a"));
  reads[1].setRevision(1000);
  reads[2].initRange().setPrefix();
  const auto response = cluster.wait(request.send());
  const auto results = response.getResults();
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].getRange().getItems().size(), 1u);
  EXPECT_EQ(code_of(results[1].getFailure()), ErrorCode::kFutureRevision);
  EXPECT_EQ(results[2].getRange().getCount(), 2u);
  EXPECT_EQ(results[0].getRange().getRevision(), results[2].getRange().getRevision());
  EXPECT_TRUE(response.getGot().isLinearizable());
}

TEST(Read, OfMoreThanATurnMayHold_SeesOneRevisionWhileWritesGoOn) {
  RequestLimits limits;
  limits.scan_keys_per_slice = 10;
  TestCluster cluster(1, limits);
  TestMember& leader = cluster.leader();
  for (int i = 0; i < 100; ++i) {
    cluster.wait(put(leader.kv(), "k" + std::to_string(1000 + i), "old"));
  }
  auto request = leader.kv().readRequest();
  auto reads = request.initReads(2);
  reads[0].initRange().setPrefix();
  reads[1].initRange().setPrefix();
  reads[1].setCountOnly(true);
  auto reading = request.send();
  for (int i = 0; i < 100; ++i)
    put(leader.kv(), "k" + std::to_string(1000 + i), "new").detach([](kj::Exception&&) {});
  put(leader.kv(), "k0", "new").detach([](kj::Exception&&) {});
  const auto response = cluster.wait(kj::mv(reading));
  const auto whole = response.getResults()[0].getRange();
  ASSERT_EQ(whole.getItems().size(), 100u);
  EXPECT_FALSE(whole.getMore());
  for (const auto item : whole.getItems()) EXPECT_EQ(item.getValue().size(), 3u);
  std::string previous;
  for (const auto item : whole.getItems()) {
    EXPECT_LE(item.getModRevision(), whole.getRevision());
    const std::string key(item.getKey().asChars().begin(), item.getKey().size());
    EXPECT_LT(previous, key);
    previous = key;
  }
  EXPECT_EQ(response.getResults()[1].getRange().getCount(), 100u);
  EXPECT_EQ(response.getResults()[1].getRange().getRevision(), whole.getRevision());
  // It took turns: the writes behind it have been applied meanwhile.
  EXPECT_GT(response.getHeader().getRevision(), whole.getRevision());
}

TEST(Read, OfMoreThanAResponseMayHold_GoesOnAtItsCursor) {
  RequestLimits limits;
  limits.response_bytes_max = 4096;
  TestCluster cluster(1, limits);
  TestMember& leader = cluster.leader();
  for (int i = 0; i < 10; ++i) {
    cluster.wait(put(leader.kv(), "k" + std::to_string(i), std::string(1000, 'v')));
  }
  std::string cursor;
  std::size_t items = 0;
  std::size_t pages = 0;
  for (bool more = true; more; ++pages) {
    auto request = leader.kv().readRequest();
    auto read = request.initReads(1)[0];
    read.initRange().setPrefix();
    read.setCursor(bytes(cursor));
    const auto response = cluster.wait(request.send());
    const auto page = response.getResults()[0].getRange();
    items += page.getItems().size();
    more = page.getMore();
    cursor.assign(page.getCursor().asChars().begin(), page.getCursor().size());
    if (!more) {
      EXPECT_EQ(page.getCount(), 10u);
    }
    ASSERT_LT(pages, 10u);
  }
  EXPECT_EQ(items, 10u);
  EXPECT_GE(pages, 3u);
}

TEST(Read, AtLeastARevision_WaitsUntilTheMemberHasIt) {
  TestCluster cluster(3);
  TestMember& follower = cluster.follower();
  const auto written = cluster.wait(put(cluster.leader().kv(), "a", "1"));
  auto request = follower.kv().readRequest();
  request.initReads(1)[0].initRange().setBegin(bytes("a"));
  request.initConsistency().setAtLeast(written.getResults()[0].getRevision());
  const auto response = cluster.wait(request.send());
  EXPECT_EQ(value_of(response), "1");
  EXPECT_GE(response.getGot().getAtLeast(), written.getResults()[0].getRevision());

  auto beyond = follower.kv().readRequest();
  beyond.initReads(1)[0].initRange().setBegin(bytes("a"));
  beyond.initConsistency().setAtLeast(1'000'000);
  beyond.setDeadlineMs(100);
  const auto refused = cluster.wait(beyond.send());
  EXPECT_EQ(code_of(refused.getFailure()), ErrorCode::kDeadlineExceeded);
}

auto read_with_staleness(TestCluster& cluster, TestMember& member, std::uint32_t ms) {
  auto request = member.kv().readRequest();
  request.initReads(1)[0].initRange().setBegin(bytes("a"));
  request.initConsistency().setMaxStalenessMs(ms);
  request.setDeadlineMs(200);
  return cluster.wait(request.send());
}

TEST(Read, OfBoundedStaleness_IsServedByWhoKnowsHowOldItsStateIs) {
  TestCluster cluster(3);
  for (TestMember* member : {&cluster.leader(), &cluster.follower()}) {
    cluster.run(milliseconds(200));
    EXPECT_TRUE(read_with_staleness(cluster, *member, 1000).getGot().isLinearizable())
        << "nobody has asked the leader yet";
    cluster.run(milliseconds(200));
    const auto fresh = read_with_staleness(cluster, *member, 1000);
    ASSERT_FALSE(fresh.hasFailure());
    ASSERT_TRUE(fresh.getGot().isMaxStalenessMs());
    EXPECT_GE(fresh.getGot().getMaxStalenessMs(), 200u);
    EXPECT_LE(fresh.getGot().getMaxStalenessMs(), 220u);
  }
  TestMember& follower = cluster.follower();
  cluster.isolate(follower.id());
  cluster.run(milliseconds(1500));
  EXPECT_EQ(code_of(read_with_staleness(cluster, follower, 1000).getFailure()),
            ErrorCode::kNoQuorum);
  const auto old = read_with_staleness(cluster, follower, 60'000);
  ASSERT_FALSE(old.hasFailure());
  EXPECT_GE(old.getGot().getMaxStalenessMs(), 1700u);
}

TEST(Read, OfBoundedStaleness_IsNotServedByWhoHearsTheLeaderAndLagsBehind) {
  TestCluster cluster(3);
  TestMember& follower = cluster.follower();
  ASSERT_FALSE(read_with_staleness(cluster, follower, 100).hasFailure());
  follower.log().held = true;
  cluster.wait(put(cluster.leader().kv(), "a", "new"));
  cluster.run(milliseconds(500));
  EXPECT_TRUE(read_with_staleness(cluster, follower, 100).hasFailure())
      << "it has an older state, though it has heard from the leader just now";
  follower.log().held = false;
  cluster.run(milliseconds(500));
  EXPECT_EQ(value_of(read_with_staleness(cluster, follower, 100)), "new");
}

TEST(ShuttingDown, WithRequestsThatWait_AnswersThem) {
  TestCluster cluster(3);
  TestMember& leader = cluster.leader();
  cluster.isolate(leader.id());
  auto writing = put(leader.kv(), "a", "1");
  auto reading = get(leader.kv(), "a");
  cluster.run(milliseconds(3));
  leader.api().shut_down();
  const auto written = cluster.wait(kj::mv(writing));
  EXPECT_EQ(code_of(written.getFailure()), ErrorCode::kShuttingDown);
  EXPECT_EQ(written.getFailure().getOutcome(), schema::Outcome::UNKNOWN);
  EXPECT_EQ(value_of(cluster.wait(kj::mv(reading))), "shuttingDown");
  EXPECT_EQ(value_of(cluster.wait(get(leader.kv(), "a"))), "shuttingDown");
}

}  // namespace
}  // namespace coord::service

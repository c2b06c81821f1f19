// Members that change, at whichever of them it is asked for; leadership that is handed over; and
// what becomes of writes meanwhile.
#include <gtest/gtest.h>
#include <kj/async-io.h>

#include <string>
#include <string_view>
#include <vector>

#include "schema/rpc/connection.h"
#include "tests/service/api/cluster.h"

namespace coord::service {
namespace {

template <class Response>
std::string error_of(const Response& response) {
  if (!response.hasFailure()) return {};
  const auto failure = response.getFailure();
  return std::string(to_string(static_cast<ErrorCode>(failure.getCode()))) + ": " +
         failure.getMessage().cStr();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class MembershipCalls : public testing::Test {
 protected:
  ~MembershipCalls() noexcept override {}

  using Change =
      capnp::Request<schema::Membership::ChangeParams, schema::Membership::ChangeResults>;

  std::string change(TestMember& at,
                     const std::function<void(schema::MemberChange::Builder)>& fill) {
    auto request = at.membership().changeRequest();
    fill(request.initChange());
    return error_of(cluster_.wait(request.send()));
  }
  std::string add(TestMember& at, const std::string& name, const std::string& address) {
    return change(at, [&](schema::MemberChange::Builder change) {
      auto learner = change.initAddLearner();
      learner.setName(name.c_str());
      learner.setPeerAddress(address.c_str());
    });
  }
  std::string promote(TestMember& at, MemberId id) {
    return change(at, [&](schema::MemberChange::Builder change) { change.setPromote(id.value()); });
  }
  std::string remove(TestMember& at, MemberId id) {
    return change(at, [&](schema::MemberChange::Builder change) { change.setRemove(id.value()); });
  }
  // Adds one more, and makes it a voter.
  TestMember& grow() {
    TestMember& fresh = cluster_.add_waiting();
    EXPECT_EQ(add(cluster_.leader(), "n" + std::to_string(fresh.id().value()),
                  TestCluster::address_of(fresh.id())),
              "");
    cluster_.run(milliseconds(500));
    EXPECT_EQ(promote(cluster_.follower(), fresh.id()), "");
    return fresh;
  }
  std::vector<std::string> names(TestMember& at) {
    const auto members = cluster_.wait(at.cluster().membersRequest().send());
    std::vector<std::string> names;
    for (const auto member : members.getMembers()) {
      names.push_back(std::string(member.getName().cStr()) + (member.getLearner() ? "?" : ""));
    }
    return names;
  }
  auto put(TestMember& at, std::string_view key) {
    auto request = at.kv().writeRequest();
    fill_put(request.initWrites(1)[0], key, "x");
    return request.send();
  }
  auto transfer(TestMember& at, MemberId target, MemberId from = {}) {
    auto request = at.membership().transferRequest();
    request.setTarget(target.value());
    request.setFrom(from.value());
    return request.send();
  }
  static Change learner(TestMember& at, MemberId id, std::string name = {}) {
    auto request = at.membership().changeRequest();
    auto learner = request.initChange().initAddLearner();
    if (name.empty()) name = "n" + std::to_string(id.value());
    learner.setName(name.c_str());
    learner.setPeerAddress(TestCluster::address_of(id).c_str());
    request.setDeadlineMs(20'000);
    return request;
  }
  static Change removal(TestMember& at, MemberId id) {
    auto request = at.membership().changeRequest();
    request.initChange().setRemove(id.value());
    request.setDeadlineMs(20'000);
    return request;
  }
  static bool has_member(TestMember& at, MemberId id) {
    return at.node().status().configuration.contains(id);
  }
  // Cuts the leader off in the moment at which it has appended a change and nobody else has it.
  void cut_off_when(TestMember& leader, const std::function<bool()>& appended) {
    for (int i = 0; i < 1000 && !appended(); ++i) cluster_.step();
    const raft::CoreStatus core = leader.node().status();
    ASSERT_TRUE(appended());
    ASSERT_GT(core.configuration_index, core.commit);
    cluster_.isolate(leader.id());
  }

  TestCluster cluster_{3};
};

TEST_F(MembershipCalls, AreAddedPromotedAndRemoved_AtAnyMember) {
  TestMember& fresh = cluster_.add_waiting();
  const auto version = [&](TestMember& at) {
    return cluster_.wait(at.cluster().membersRequest().send()).getHeader().getMembers();
  };
  const auto before = version(cluster_.leader());
  EXPECT_EQ(add(cluster_.follower(), "n4", TestCluster::address_of(fresh.id())), "");
  EXPECT_EQ(names(cluster_.leader()), (std::vector<std::string>{"n1", "n2", "n3", "n4?"}));
  EXPECT_GT(version(cluster_.leader()), before);
  // Again: it is so already.
  EXPECT_EQ(add(cluster_.leader(), "n4", TestCluster::address_of(fresh.id())), "");
  cluster_.run(milliseconds(500));
  EXPECT_EQ(promote(cluster_.follower(), fresh.id()), "");
  EXPECT_EQ(promote(cluster_.follower(), fresh.id()), "");
  EXPECT_EQ(names(cluster_.leader()), (std::vector<std::string>{"n1", "n2", "n3", "n4"}));
  const MemberId gone = cluster_.follower().id();
  EXPECT_EQ(remove(cluster_.leader(), gone), "");
  EXPECT_TRUE(has(remove(cluster_.leader(), gone), "memberNotFound"));
  EXPECT_EQ(names(cluster_.leader()).size(), 3u);
  // It has learned where the new one's clients go, before that could say so itself.
  const auto members = cluster_.wait(cluster_.leader().cluster().membersRequest().send());
  EXPECT_EQ(members.getMembers()[2].getClientAddress(), "client-of-n4:1");
}

TEST_F(MembershipCalls, ThatCannotBeAdded_AreRefusedWithTheReason) {
  TestMember& fresh = cluster_.add_waiting();
  TestMember& leader = cluster_.leader();
  const std::string address = TestCluster::address_of(fresh.id());
  EXPECT_TRUE(has(add(leader, "n4", "127.0.0.1:99"), "unreachable"));
  EXPECT_TRUE(has(add(leader, "n5", address), "is named 'n4', not 'n5'"));
  EXPECT_TRUE(has(add(leader, "n1", TestCluster::address_of(MemberId(1))), "memberExists"));
  EXPECT_TRUE(has(add(leader, "", address), "invalidArgument"));
  EXPECT_TRUE(has(add(leader, "n4", "nowhere"), "invalidArgument"));
  EXPECT_TRUE(has(add(leader, std::string(5000, 'n'), address), "invalidArgument"));
  EXPECT_EQ(names(leader).size(), 3u);
}

TEST_F(MembershipCalls, LearnerThatIsBehind_IsNotPromoted_AndItIsToldHowFar) {
  TestMember& fresh = cluster_.add_waiting();
  cluster_.isolate(fresh.id());
  EXPECT_EQ(add(cluster_.leader(), "n4", TestCluster::address_of(fresh.id())), "");
  const std::string refused = promote(cluster_.leader(), fresh.id());
  EXPECT_TRUE(has(refused, "notCaughtUp: n4 has not caught up: its log is known to reach 0"))
      << refused;
}

TEST_F(MembershipCalls, RemovalThatWouldLoseTheQuorum_IsRefused_NamingWhoIsSilent) {
  TestMember& leader = cluster_.leader();
  TestMember& silent = cluster_.follower();
  cluster_.isolate(silent.id());
  const MemberId other = cluster_.follower().id();
  cluster_.run(milliseconds(600));
  const std::string refused = remove(leader, other);
  EXPECT_TRUE(has(refused, "wouldLoseQuorum")) << refused;
  EXPECT_TRUE(has(refused, "n" + std::to_string(silent.id().value()) + " cannot be heard"))
      << refused;
  EXPECT_EQ(remove(leader, silent.id()), "");
}

TEST_F(MembershipCalls, LeaderThatRemovesItself_AnswersAndAnotherLeads) {
  grow();
  TestMember& leader = cluster_.leader();
  EXPECT_EQ(remove(leader, leader.id()), "");
  cluster_.isolate(leader.id());
  TestMember& next = cluster_.leader();
  EXPECT_NE(next.id(), leader.id());
  EXPECT_EQ(names(next).size(), 3u);
}

TEST_F(MembershipCalls, Progress_IsToldByEveryMember) {
  TestMember& silent = cluster_.follower();
  cluster_.isolate(silent.id());
  cluster_.wait(put(cluster_.leader(), "a"));
  cluster_.run(milliseconds(600));
  const auto answer = cluster_.wait(cluster_.follower().membership().progressRequest().send());
  EXPECT_EQ(error_of(answer), "");
  ASSERT_EQ(answer.getMembers().size(), 3u);
  for (const auto member : answer.getMembers()) {
    const bool is_silent = member.getId() == silent.id().value();
    EXPECT_EQ(member.getRecentlyActive(), !is_silent);
    EXPECT_EQ(member.getMatchIndex() < answer.getLastIndex(), is_silent);
  }
}

TEST_F(MembershipCalls, Leadership_IsHandedOver_AndWritesWait) {
  for (int round = 0; round < 5; ++round) {
    TestMember& leader = cluster_.leader();
    TestMember& follower = cluster_.follower();
    auto transferring = transfer(round % 2 == 0 ? leader : follower, follower.id());
    cluster_.step();
    auto at_leader = put(leader, "a");
    auto passed_on = put(follower, "b");
    const auto answer = cluster_.wait(kj::mv(transferring));
    EXPECT_EQ(error_of(answer), "");
    EXPECT_EQ(answer.getLeader(), follower.id().value());
    for (auto* write : {&at_leader, &passed_on}) {
      const auto written = cluster_.wait(kj::mv(*write));
      EXPECT_EQ(error_of(written), "");
      ASSERT_EQ(written.getResults().size(), 1u);
      EXPECT_TRUE(written.getResults()[0].isPut());
    }
  }
}

TEST_F(MembershipCalls, LeadershipThatIsNotTaken_StaysAndWritesGoOn) {
  TestMember& leader = cluster_.leader();
  TestMember& target = cluster_.follower();
  cluster_.isolate(target.id());
  TestMember& other = cluster_.follower();
  auto transferring = transfer(leader, target.id());
  cluster_.step();
  const Instant begun = cluster_.now();
  auto at_leader = put(leader, "a");
  auto passed_on = put(other, "b");
  auto grant = leader.kv().writeRequest();
  fill_grant(grant.initWrites(1)[0], 7, 10'000);
  auto granted = grant.send();
  cluster_.run(milliseconds(200));
  EXPECT_FALSE(at_leader.poll(cluster_.scope())) << "it waits";
  const auto answer = cluster_.wait(kj::mv(transferring));
  EXPECT_TRUE(has(error_of(answer), "has not taken the leadership over")) << error_of(answer);
  EXPECT_EQ(answer.getFailure().getOutcome(), schema::Outcome::UNKNOWN)
      << "that it shall take it may yet reach it";
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(at_leader))), "");
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(passed_on))), "");
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(granted))), "");
  EXPECT_LT(cluster_.now() - begun, milliseconds(1000));
  EXPECT_EQ(cluster_.leader().id(), leader.id());
}

TEST_F(MembershipCalls, AddressesAreAsked_OnlySoManyAtATime) {
  TestMember& leader = cluster_.leader();
  const auto probe = [&] {
    auto request = leader.membership().probeRequest();
    request.setPeerAddress(TestCluster::address_of(MemberId(1)).c_str());
    return request.send();
  };
  cluster_.nobody_answers = true;
  {
    std::vector<decltype(probe())> probes;
    for (int i = 0; i < 16; ++i) probes.push_back(probe());
    cluster_.step();
    for (auto& each : probes) EXPECT_FALSE(each.poll(cluster_.scope()));
    EXPECT_TRUE(has(error_of(cluster_.wait(probe())), "overloaded"));
    EXPECT_TRUE(has(error_of(cluster_.wait(learner(leader, MemberId(4)).send())), "overloaded"));
  }
  cluster_.nobody_answers = false;
  EXPECT_EQ(error_of(cluster_.wait(probe())), "") << "they are gone";
}

// A client's connection as the server makes it: what a message may be read is bounded there, and
// is not in a call within this process.
class ClientConnection {
 public:
  ClientConnection(TestCluster& cluster, TestMember& member) {
    auto pipe = kj::newTwoWayPipe();
    rpc::ConnectionOptions options;
    options.messages.message_bytes_max = limits::kConfigurableRequestBytesMax + limits::kMiB;
    server_ = rpc::Connection::server(kj::mv(pipe.ends[0]), cluster.timer(),
                                      member.api().client_door([] {}), options);
    client_ = rpc::Connection::client(kj::mv(pipe.ends[1]), cluster.timer());
  }
  schema::Kv::Client kv() {
    auto login = client_->bootstrap().castAs<schema::Coord>().loginRequest().send();
    return login.getServices().getKv();
  }

 private:
  kj::Own<rpc::Connection> server_;
  kj::Own<rpc::Connection> client_;
};

TEST_F(MembershipCalls, LargeWrites_WaitForALeadershipThatIsNotTaken) {
  TestMember& leader = cluster_.leader();
  TestMember& target = cluster_.follower();
  cluster_.isolate(target.id());
  TestMember& other = cluster_.follower();
  ClientConnection to_leader(cluster_, leader);
  ClientConnection to_other(cluster_, other);
  const std::string value(900 * limits::kKiB, 'v');
  const auto put_large = [&](ClientConnection& connection, std::string_view key) {
    auto request = connection.kv().writeRequest();
    request.setDeadlineMs(20'000);
    fill_put(request.initWrites(1)[0], key, value);
    return request.send();
  };
  auto transferring = transfer(leader, target.id());
  cluster_.step();
  auto at_leader = put_large(to_leader, "a");
  auto passed_on = put_large(to_other, "b");
  cluster_.run(milliseconds(400));
  EXPECT_FALSE(at_leader.poll(cluster_.scope())) << "it waits";
  EXPECT_FALSE(passed_on.poll(cluster_.scope())) << "it waits";
  EXPECT_TRUE(has(error_of(cluster_.wait(kj::mv(transferring))), "has not taken"));
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(at_leader))), "");
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(passed_on))), "");
}

TEST_F(MembershipCalls, LeadershipForWhoCannotLead_IsRefusedWithTheReason) {
  TestMember& fresh = cluster_.add_waiting();
  TestMember& leader = cluster_.leader();
  const auto refused = [&](MemberId target) {
    return error_of(cluster_.wait(transfer(cluster_.follower(), target)));
  };
  EXPECT_TRUE(has(refused(MemberId(99)), "memberNotFound"));
  EXPECT_EQ(add(leader, "n4", TestCluster::address_of(fresh.id())), "");
  EXPECT_TRUE(has(refused(fresh.id()), "is a learner"));
  EXPECT_EQ(refused(leader.id()), "") << "it leads already";
  TestMember& silent = cluster_.follower();
  cluster_.isolate(silent.id());
  cluster_.run(milliseconds(600));
  EXPECT_TRUE(has(refused(silent.id()), "does not hear"));
}

TEST_F(MembershipCalls, Change_TellsWhetherItWasMadeByThisCall) {
  TestMember& fresh = cluster_.add_waiting();
  for (TestMember* at : {&cluster_.leader(), &cluster_.follower()}) {
    const auto answer = cluster_.wait(learner(*at, fresh.id()).send());
    EXPECT_EQ(error_of(answer), "");
    EXPECT_EQ(answer.getMember(), fresh.id().value());
    EXPECT_EQ(answer.getMade(), at == &cluster_.leader());
  }
}

TEST_F(MembershipCalls, RepeatedChange_IsNotAcknowledged_WhileItIsNotCommitted) {
  TestMember& fresh = cluster_.add_waiting();
  TestMember& deposed = cluster_.leader();
  auto first = learner(deposed, fresh.id()).send();
  cut_off_when(deposed, [&] { return has_member(deposed, fresh.id()); });
  auto second = learner(deposed, fresh.id()).send();
  cluster_.run(milliseconds(50));
  EXPECT_FALSE(second.poll(cluster_.scope())) << "nobody else knows of it";
  TestMember& next = cluster_.leader();
  EXPECT_FALSE(has_member(next, fresh.id()));
  // Nothing of the next leader's gets to the other one before the answers could leave.
  cluster_.heal();
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(second))), "");
  EXPECT_TRUE(has_member(cluster_.leader(), fresh.id()));
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(first))), "");
}

TEST_F(MembershipCalls, RepeatedRemoval_IsNotToldNotFound_WhileItIsNotCommitted) {
  TestMember& fresh = cluster_.add_waiting();
  TestMember& deposed = cluster_.leader();
  EXPECT_EQ(error_of(cluster_.wait(learner(deposed, fresh.id()).send())), "");
  auto first = removal(deposed, fresh.id()).send();
  cut_off_when(deposed, [&] { return !has_member(deposed, fresh.id()); });
  auto second = removal(deposed, fresh.id()).send();
  cluster_.run(milliseconds(50));
  EXPECT_FALSE(second.poll(cluster_.scope())) << "it may still be a member in the end";
  EXPECT_TRUE(has_member(cluster_.leader(), fresh.id()));
  cluster_.heal();
  const auto answer = cluster_.wait(kj::mv(second));
  const std::string error = error_of(answer);
  EXPECT_TRUE(error.empty() || has(error, "memberNotFound")) << error;
  EXPECT_FALSE(has_member(cluster_.leader(), fresh.id()));
}

TEST_F(MembershipCalls, DeposedLeader_DoesNotTellThatItIsSoAlready) {
  TestMember& fresh = grow();
  TestMember& deposed = cluster_.leader();
  cluster_.isolate(deposed.id());
  TestMember& next = cluster_.leader();
  EXPECT_EQ(error_of(cluster_.wait(removal(next, fresh.id()).send())), "");
  auto request = deposed.membership().changeRequest();
  request.initChange().setPromote(fresh.id().value());
  request.setDeadlineMs(500);
  EXPECT_TRUE(has(error_of(cluster_.wait(request.send())), "noQuorum"));
}

TEST_F(MembershipCalls, Progress_IsNotToldByADeposedLeader) {
  TestMember& deposed = cluster_.leader();
  cluster_.isolate(deposed.id());
  auto request = deposed.membership().progressRequest();
  request.setDeadlineMs(100);
  auto asked = request.send();
  cluster_.run(milliseconds(10));
  ASSERT_EQ(deposed.node().role(), raft::RoleName::kLeader) << "it does not know it yet";
  EXPECT_FALSE(asked.poll(cluster_.scope()));
  EXPECT_TRUE(has(error_of(cluster_.wait(kj::mv(asked))), "noQuorum"));
}

TEST_F(MembershipCalls, TwoOfOneName_AreNeverBothAdded) {
  // The second one comes at every moment of the first one's way.
  for (int later = 0; later < 12; ++later) {
    TestMember& one = cluster_.add_waiting();
    TestMember& other = cluster_.add_waiting();
    cluster_.rename(one.id(), "twin");
    cluster_.rename(other.id(), "twin");
    TestMember& leader = cluster_.leader();
    auto first = learner(leader, one.id(), "twin").send();
    for (int i = 0; i < later; ++i) cluster_.step();
    auto second = learner(leader, other.id(), "twin").send();
    EXPECT_EQ(error_of(cluster_.wait(kj::mv(first))), "");
    const std::string refused = error_of(cluster_.wait(kj::mv(second)));
    EXPECT_TRUE(has(refused, "memberExists") || has(refused, "changeInFlight"))
        << later << " ms later: " << refused;
    EXPECT_FALSE(has_member(leader, other.id())) << later << " ms later";
    EXPECT_EQ(remove(leader, one.id()), "");
  }
}

TEST_F(MembershipCalls, LeadershipThatAnotherOneHasAlready_IsNotHandedOverAgain) {
  const MemberId first = cluster_.leader().id();
  const auto answer = cluster_.wait(transfer(cluster_.follower(), MemberId(), first));
  EXPECT_EQ(error_of(answer), "");
  const MemberId second = cluster_.leader().id();
  EXPECT_NE(second, first);
  EXPECT_EQ(answer.getLeader(), second.value());
  const auto again = cluster_.wait(transfer(cluster_.follower(), MemberId(), first));
  EXPECT_EQ(error_of(again), "");
  EXPECT_EQ(again.getLeader(), second.value());
  EXPECT_EQ(cluster_.leader().id(), second);
}

TEST_F(MembershipCalls, RenewalDuringAHandover_IsAcknowledged) {
  TestMember& leader = cluster_.leader();
  TestMember& follower = cluster_.follower();
  auto grant = leader.kv().writeRequest();
  fill_grant(grant.initWrites(1)[0], 7, 10'000);
  EXPECT_EQ(error_of(cluster_.wait(grant.send())), "");
  auto transferring = transfer(leader, follower.id());
  cluster_.step();
  std::vector<kj::Promise<std::string>> renewals;
  for (TestMember* at : {&leader, &follower}) {
    auto renew = at->lease().renewRequest();
    renew.initIds(1).set(0, 7);
    renewals.push_back(renew.send().then([](auto&& answer) {
      return error_of(answer) + (answer.getResults()[0].isTtlMs() ? "" : "not renewed");
    }));
  }
  EXPECT_EQ(error_of(cluster_.wait(kj::mv(transferring))), "");
  for (auto& renewal : renewals) EXPECT_EQ(cluster_.wait(kj::mv(renewal)), "");
}

}  // namespace
}  // namespace coord::service

// Members come and go under a write load: nothing acknowledged is lost, and nobody waits for long.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "tests/integration/cluster.h"
#include "tests/integration/machine_witness.h"
#include "tests/integration/peer_network.h"
#include "tests/integration/write_load.h"

namespace coord::test {
namespace {

constexpr Milliseconds kSlowestWrite{1000};
constexpr Milliseconds kTransferGapMedian{50};
// Where the machine stood still, also a moment before, something may take longer by so many times
// that: a write may have to wait for an election or two, and a transfer writes to disks one after
// the other.
constexpr Milliseconds kAftermath{1000};
constexpr int kWritePerStall = 20;
constexpr int kTransferPerStall = 5;
constexpr int kExitRemoved = 4;

class Membership : public testing::Test {
 protected:
  void TearDown() override {
    if (!HasFailure() || !cluster_) return;
    for (int member = 0; member < cluster_->size(); ++member) {
      std::printf("%s printed:\n%s\n", cluster_->name(member).c_str(),
                  cluster_->log(member).c_str());
    }
  }

  void start(int members) {
    cluster_.emplace(ClusterOptions{.members = members});
    cluster_->start_all();
    cluster_->wait_until_serving();
    client_.emplace(
        ClientOptions{.endpoints = cluster_->endpoint_list(), .timeout = milliseconds(20000)});
  }

  RunResult ctl(std::vector<std::string> arguments) {
    return cluster_->ctl(std::move(arguments), {}, Milliseconds(60000));
  }
  void expect_done(std::vector<std::string> arguments) {
    const RunResult result = ctl(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments[0] << " " << arguments[1] << ": " << result.err;
  }
  // Starts one more coordd and waits until it can be added.
  int start_joining() {
    const int member = cluster_->add_joining();
    cluster_->start(member);
    EXPECT_TRUE(eventually([&] {
      return cluster_->log(member).find("waits to be added") != std::string::npos;
    })) << cluster_->log(member);
    return member;
  }
  int add_member() {
    const int member = start_joining();
    expect_done({"member", "add", cluster_->name(member), "--peer", cluster_->peer(member)});
    return member;
  }
  void remove_member(int member) {
    expect_done({"member", "remove", cluster_->name(member)});
    EXPECT_EQ(cluster_->process(member).wait(Milliseconds(30000)), kExitRemoved)
        << cluster_->log(member);
    EXPECT_NE(cluster_->log(member).find("was removed from the cluster"), std::string::npos);
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const std::string& line : lines(ctl({"-o", "json", "member", "list"}).out)) {
      names.push_back(json_field(line, "name"));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // Who takes part, as that member says: names, ids, addresses, and whether they vote.
  std::vector<std::string> list_at(int member) {
    std::vector<std::string> all;
    const auto list =
        ctl({"--endpoints", cluster_->endpoint(member), "-o", "json", "member", "list"});
    for (const std::string& line : lines(list.out)) {
      const bool learner = json_field(line, "role") == "learner";
      all.push_back(json_field(line, "name") + " " + json_field(line, "id") + " " +
                    json_field(line, "peer") + " " + json_field(line, "endpoint") +
                    (learner ? " learner" : ""));
    }
    return all;
  }

  Milliseconds longest_stall(WriteLoad::Clock::time_point from,
                             WriteLoad::Clock::time_point to) const {
    return witness_.longest_stall(from - kAftermath, to);
  }
  // Nothing is lost, whatever the machine does, and nobody waits for longer than it accounts for.
  void expect_unharmed(WriteLoad& load) {
    load.stop();
    EXPECT_EQ(load.failures(), std::vector<std::string>());
    Client reader({.endpoints = cluster_->endpoint_list(), .timeout = milliseconds(20000)});
    EXPECT_EQ(load.lost(reader), std::vector<std::string>());
    for (const WriteLoad::Write& slow : load.slower_than(kSlowestWrite)) {
      const Milliseconds stall = longest_stall(slow.begun, slow.ended);
      EXPECT_LT(slow.ended - slow.begun, kSlowestWrite + kWritePerStall * stall)
          << "the machine stood still for " << stall.count() << " ms";
    }
    std::printf("%zu writes, the slowest took %lld ms\n", load.acknowledged(),
                static_cast<long long>(load.slowest().count()));
  }

  const TemporaryDirectory directory_;
  const MachineWitness witness_{directory_.path()};
  std::optional<Cluster> cluster_;
  std::optional<Client> client_;
};

TEST_F(Membership, GrowsFromOneToFiveAndShrinksToThreeOthers_UnderWrites) {
  start(1);
  // It knows the first member, which is not among the last.
  WriteLoad load(cluster_->endpoint_list(), 4);
  const int second = add_member();
  add_member();
  EXPECT_EQ(names().size(), 3u);
  add_member();
  add_member();
  EXPECT_EQ(names(), (std::vector<std::string>{"n1", "n2", "n3", "n4", "n5"}));
  remove_member(cluster_->leader());
  remove_member(cluster_->process(0).running() ? 0 : second);
  EXPECT_EQ(names().size(), 3u);
  expect_unharmed(load);
}

TEST_F(Membership, CrashedMember_IsReplaced_UnderWrites) {
  start(3);
  WriteLoad load(cluster_->endpoint_list(), 4);
  const int crashed = (cluster_->leader() + 1) % 3;
  cluster_->kill(crashed);
  const int fresh = start_joining();
  expect_done({"member", "replace", cluster_->name(crashed), cluster_->name(fresh), "--peer",
               cluster_->peer(fresh)});
  const auto members = names();
  EXPECT_EQ(members.size(), 3u);
  EXPECT_EQ(std::count(members.begin(), members.end(), cluster_->name(crashed)), 0);
  expect_unharmed(load);
  // It comes back, and is told.
  cluster_->start(crashed);
  EXPECT_EQ(cluster_->process(crashed).wait(Milliseconds(30000)), kExitRemoved)
      << cluster_->log(crashed);
}

TEST_F(Membership, LeaderIsRemoved_AgainAndAgain_UnderWrites) {
  start(3);
  WriteLoad load(cluster_->endpoint_list(), 4);
  for (int round = 0; round < 3; ++round) {
    add_member();
    remove_member(cluster_->leader());
  }
  EXPECT_EQ(names().size(), 3u);
  expect_unharmed(load);
}

TEST_F(Membership, TwentyTransfers_InterruptNobody) {
  constexpr int kTransfers = 20;
  start(3);
  WriteLoad load(cluster_->endpoint_list(), 1);
  struct Transfer {
    WriteLoad::Clock::time_point begun;
    WriteLoad::Clock::time_point ended;
    Milliseconds stall;
  };
  std::vector<Transfer> transfers;
  for (int done = 0, refused = 0; done < kTransfers;) {
    const auto before = client_->members();
    ASSERT_TRUE(before.ok()) << before.error().message;
    const auto begun = WriteLoad::Clock::now();
    const auto leader = client_->transfer_leadership(MemberId(1 + before->leader.value() % 3));
    // As long as a client could notice it.
    const auto settled = WriteLoad::Clock::now() + Milliseconds(200);
    EXPECT_TRUE(eventually([&] { return WriteLoad::Clock::now() >= settled; }));
    const auto ended = WriteLoad::Clock::now();
    if (!leader.ok()) {
      // Members that could not run or write for a while may refuse, and change nothing.
      ASSERT_GE(longest_stall(begun, ended), MachineWitness::kNotable) << leader.error().message;
      ASSERT_LT(++refused, 5 * kTransfers) << leader.error().message;
      continue;
    }
    EXPECT_NE(*leader, before->leader);
    ++done;
    transfers.push_back({begun, ended, longest_stall(begun, ended)});
  }
  expect_unharmed(load);
  std::vector<Milliseconds> gaps;  // less what the machine accounts for
  for (const Transfer& transfer : transfers) {
    gaps.push_back(load.longest_gap(0, transfer.begun, transfer.ended) -
                   kTransferPerStall * transfer.stall);
  }
  std::sort(gaps.begin(), gaps.end());
  std::printf("gaps at a transfer: median %lld ms, longest %lld ms\n",
              static_cast<long long>(gaps[gaps.size() / 2].count()),
              static_cast<long long>(gaps.back().count()));
  // A transfer takes about as long as a few writes: where the machine is so busy that each of those
  // is slow, the bound is theirs.
  EXPECT_LT(gaps[gaps.size() / 2], std::max(kTransferGapMedian, 5 * load.median()));
}

TEST_F(Membership, RemovedMember_DoesNotStartAgain) {
  start(3);
  const int gone = (cluster_->leader() + 1) % 3;
  remove_member(gone);
  cluster_->start(gone);
  EXPECT_EQ(cluster_->process(gone).wait(Milliseconds(30000)), kExitRemoved);
  EXPECT_EQ(names().size(), 2u);
}

TEST_F(Membership, RemovalThatWouldLoseTheQuorum_IsRefused_AndSaysWhy) {
  start(3);
  const int leader = cluster_->leader();
  const int silent = (leader + 1) % 3;
  const int other = (leader + 2) % 3;
  cluster_->kill(silent);
  RunResult refused;
  // The leader has to have missed it for an election timeout.
  EXPECT_TRUE(eventually([&] {
    const auto list = ctl({"-o", "json", "member", "list"}).out;
    return list.find("\"active\":false") != std::string::npos;
  }));
  refused = ctl({"member", "remove", cluster_->name(other)});
  EXPECT_EQ(refused.exit_code, 8) << refused.err;
  EXPECT_NE(refused.err.find(cluster_->name(silent) + " cannot be heard"), std::string::npos)
      << refused.err;
  EXPECT_EQ(names().size(), 3u);
  // The one that is not there can go.
  expect_done({"member", "remove", cluster_->name(silent)});
}

TEST_F(Membership, MembersThatRestart_AfterAChangeThatIsFlushed_KnowWhoTakesPart) {
  start(3);
  add_member();
  const auto expected = list_at(0);
  ASSERT_EQ(expected.size(), 4u);
  // A flush that ends after a write may have begun before it; the next one has not.
  for (int flush = 0; flush < 2; ++flush) {
    ASSERT_TRUE(client_->put("a", std::to_string(flush)).ok());
    const auto written = std::filesystem::file_time_type::clock::now();
    for (int member = 0; member < cluster_->size(); ++member) {
      const std::string state = cluster_->data_directory(member) + "/state/data.mdb";
      EXPECT_TRUE(eventually([&] { return std::filesystem::last_write_time(state) > written; }))
          << cluster_->name(member) << " has not flushed its state";
    }
  }
  for (int member = 0; member < cluster_->size(); ++member) {
    cluster_->kill(member);
    cluster_->start(member);
    EXPECT_TRUE(eventually([&] { return list_at(member) == expected; })) << cluster_->log(member);
  }
  cluster_->kill_all();
  cluster_->start_all();
  cluster_->wait_until_serving();
  for (int member = 0; member < cluster_->size(); ++member) {
    EXPECT_EQ(list_at(member), expected) << cluster_->log(member);
  }
}

TEST_F(Membership, InterruptedAdd_IsUndone) {
  start(1);
  const int fresh = cluster_->add_joining();
  PeerNetwork network({cluster_->peer_port(0), cluster_->peer_port(fresh)},
                      [this](int member) { return cluster_->process(member).pid(); });
  // It answers the question who it is, to coordctl and to the leader that adds it, and then nothing
  // gets to it any more.
  network.let_in(1, 2);
  cluster_->advertise_peer(fresh, network.address(1));
  cluster_->start(fresh);
  EXPECT_TRUE(eventually(
      [&] { return cluster_->log(fresh).find("waits to be added") != std::string::npos; }));
  const std::string output = cluster_->data_directory(fresh) + ".add";
  Process add(
      {program("coordctl"), "member", "add", cluster_->name(fresh), "--peer",
       cluster_->peer(fresh)},
      {.environment = {{"COORDCTL_ENDPOINTS", cluster_->endpoint(0)}}, .output_file = output});
  EXPECT_TRUE(eventually([&] { return names().size() == 2; }));
  add.signal(SIGINT);
  EXPECT_EQ(add.wait(Milliseconds(20000)), 1);
  std::ifstream file(output);
  std::ostringstream said;
  said << file.rdbuf();
  EXPECT_NE(said.str().find("interrupted; n2 was removed again"), std::string::npos) << said.str();
  EXPECT_EQ(names(), std::vector<std::string>{"n1"});
}

TEST_F(Membership, AddOfWhoMustNotBeAdded_IsRefused_AndSaysWhy) {
  start(1);
  const int fresh = start_joining();
  const auto refused = [&](std::vector<std::string> arguments, const std::string& why) {
    const RunResult result = ctl(std::move(arguments));
    EXPECT_NE(result.exit_code, 0);
    EXPECT_NE(result.err.find(why), std::string::npos) << result.err;
  };
  refused({"member", "add", "n9", "--peer", cluster_->peer(fresh)}, "is named 'n2', not 'n9'");
  refused({"member", "add", "n2", "--peer", "127.0.0.1:1"}, "cannot be reached");
  refused({"member", "add", "n2", "--peer", cluster_->peer(0)}, "is named 'n1', not 'n2'");
  refused({"member", "add", "n2", "--peer", cluster_->endpoint(fresh)}, "not a port for members");
  refused({"member", "remove", "n1"}, "only member that votes");
  refused({"member", "promote", "n2"}, "no member named n2");
  EXPECT_EQ(names(), std::vector<std::string>{"n1"});
  // A learner serves clients, and can be made to vote later.
  expect_done({"member", "add", "n2", "--peer", cluster_->peer(fresh), "--learner"});
  EXPECT_EQ(ctl({"--endpoints", cluster_->endpoint(fresh), "put", "a", "1"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return ctl({"member", "promote", "n2"}).exit_code == 0; }));
  // A second one of that name finds the door closed.
  Cluster other({.members = 1});
  const RunResult twin = run({program("coordd"), "--name", "n2", "--data-dir",
                              other.data_directory(0), "--listen-client", other.endpoint(0),
                              "--listen-peer", other.peer(0), "--join", cluster_->endpoint(0)});
  EXPECT_EQ(twin.exit_code, 1);
  EXPECT_NE(twin.err.find("has a member named 'n2' already"), std::string::npos) << twin.err;
}

}  // namespace
}  // namespace coord::test

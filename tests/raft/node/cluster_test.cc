#include "tests/raft/node/cluster.h"

#include <gtest/gtest.h>

namespace coord::raft::testing {
namespace {

MemberId other_than(MemberId id) {
  return MemberId(id.value() % 3 + 1);
}

TEST(ThreeNodes, ElectALeader_AndApplyTheSameCommandsInTheSameOrder) {
  Cluster cluster;
  for (std::uint64_t i = 1; i <= 20; ++i) cluster.put(i);
  const Index last = cluster.await_leader().applied();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.all_applied(last); }));
  EXPECT_EQ(cluster.commands(MemberId(1)).size(), 20u);
  EXPECT_EQ(cluster.commands(MemberId(1)), cluster.commands(MemberId(2)));
  EXPECT_EQ(cluster.commands(MemberId(1)), cluster.commands(MemberId(3)));
}

TEST(ThreeNodes, Read_OnAnyMember_SeesEveryAcknowledgedWrite) {
  Cluster cluster;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    cluster.put(i);
    for (std::uint64_t id = 1; id <= 3; ++id) {
      bool done = false;
      cluster.node(id).read_gate([&](Status status) {
        done = true;
        ASSERT_TRUE(status.ok()) << status.error().message;
        ASSERT_FALSE(cluster.commands(MemberId(id)).empty());
        EXPECT_EQ(cluster.commands(MemberId(id)).back(), std::to_string(i));
      });
      EXPECT_TRUE(cluster.run_until([&] { return done; }));
    }
  }
}

TEST(ThreeNodes, LeaderThatDies_IsReplacedFast_AndNothingAcknowledgedIsLost) {
  Cluster cluster;
  for (std::uint64_t i = 1; i <= 5; ++i) cluster.put(i);
  const MemberId dead = *cluster.leader();
  cluster.crash(dead);
  const Instant death = cluster.now();
  Node& leader = cluster.await_leader();
  EXPECT_LT(cluster.now() - death, milliseconds(200));
  EXPECT_EQ(cluster.commands(leader.status().self).size(), 5u);
  cluster.put(6);
  cluster.start(dead);
  const Index last = cluster.await_leader().applied();
  EXPECT_TRUE(cluster.run_until([&] { return cluster.all_applied(last); }));
  EXPECT_EQ(cluster.commands(dead).size(), 6u);
}

TEST(ThreeNodes, AllOfThem_ComeBackFromAPowerCut_WithEverythingAcknowledged) {
  Cluster cluster;
  for (std::uint64_t i = 1; i <= 10; ++i) cluster.put(i);
  cluster.flush(MemberId(2));
  cluster.put(11);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.crash(MemberId(id), id);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.start(MemberId(id));
  cluster.put(12);
  const Index last = cluster.await_leader().applied();
  EXPECT_TRUE(cluster.run_until([&] { return cluster.all_applied(last); }));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.commands(MemberId(id)).size(), 12u);
  }
}

TEST(ThreeNodes, LeaderThatIsCutOff_AnswersNoRead_AndGivesUpItsEntries) {
  Cluster cluster;
  cluster.put(1);
  const MemberId old = *cluster.leader();
  cluster.cut_off.insert(old);
  ASSERT_TRUE(cluster.node(old).propose(command(666)).ok());
  std::optional<Status> answer;
  cluster.node(old).read_gate([&](Status status) { answer = status; });
  cluster.put(2);
  ASSERT_TRUE(cluster.run_until([&] { return answer.has_value(); }));
  EXPECT_FALSE(answer->ok());
  cluster.cut_off.clear();
  cluster.put(3);
  const Index last = cluster.await_leader().applied();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.all_applied(last); }));
  EXPECT_EQ(cluster.commands(old), (std::vector<std::string>{"1", "2", "3"}));
}

TEST(ThreeNodes, MemberThatWasAway_CatchesUpFromTheLeadersDisk) {
  Cluster cluster(/*cached_log_bytes=*/1000);
  cluster.put(0);
  const MemberId away = other_than(*cluster.leader());
  cluster.crash(away);
  for (std::uint64_t i = 1; i <= 300; ++i) cluster.put(i);
  cluster.start(away);
  const Index last = cluster.await_leader().applied();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.all_applied(last); }));
  EXPECT_EQ(cluster.commands(away).size(), 301u);
  EXPECT_GT(cluster.await_leader().counters().log_loads, 0u);
}

TEST(ThreeNodes, Log_IsCutOnEveryMember_OnceAllHaveFlushed_AndRestartsFromThere) {
  Cluster cluster;
  Node& leader = cluster.await_leader();
  for (std::uint64_t i = 0; i < limits::kLogEntriesKept + 3000; ++i) {
    ASSERT_TRUE(leader.propose(command(i)).ok());
    if (i % 500 == 0) cluster.turn();
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.all_applied(leader.status().last.index); }));
  ASSERT_TRUE(cluster.run_until([&] {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      if (cluster.node(id).status().held_by_all < leader.applied()) return false;
    }
    return true;
  }));
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.flush(MemberId(id));
  cluster.turn();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_FALSE(cluster.member(id).files.exists("/log/0000000000000001.log"));
    cluster.crash(MemberId(id), id);
  }
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.start(MemberId(id));
  cluster.put(1);
}

// --- Restarts at random
// ----------------------------------------------------------------------------

class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed) : prng_(seed), cluster_(5000, seed) {}

  void run() {
    for (int i = 0; i < 400 && !::testing::Test::HasFailure(); ++i) step();
    cluster_.cut_off.clear();
    for (std::uint64_t id = 1; id <= 3; ++id) {
      if (!cluster_.running(MemberId(id))) cluster_.start(MemberId(id));
    }
    cluster_.put(++proposed_);
    const Index last = cluster_.await_leader().applied();
    ASSERT_TRUE(cluster_.run_until([&] { return cluster_.all_applied(last); }));
    check_acknowledged();
    for (std::uint64_t id = 2; id <= 3; ++id) {
      EXPECT_EQ(cluster_.commands(MemberId(1)), cluster_.commands(MemberId(id)));
    }
  }

 private:
  void step() {
    const MemberId id(prng_.between(1, 3));
    switch (prng_.below(20)) {
      case 0:
        if (cluster_.running(id)) {
          note_acknowledged();
          prng_.chance(1, 2) ? cluster_.crash(id, prng_.next()) : cluster_.crash(id);
        }
        break;
      case 1:
      case 2:
        if (!cluster_.running(id)) cluster_.start(id);
        break;
      case 3:
        cluster_.cut_off = {id};
        break;
      case 4:
        cluster_.cut_off.clear();
        break;
      case 5:
        if (cluster_.running(id)) cluster_.flush(id);
        break;
      default:
        if (cluster_.running(id)) propose(cluster_.node(id));
        for (std::uint64_t n = prng_.below(60); n > 0; --n) cluster_.turn();
        note_acknowledged();
    }
  }

  void propose(Node& node) {
    for (std::uint64_t n = prng_.below(5); n > 0; --n) {
      if (node.role() != RoleName::kLeader) continue;
      static_cast<void>(node.propose(command(++proposed_)).ok());
    }
  }

  // What any member has applied is acknowledged, and has to stay, in that order.
  void note_acknowledged() {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      if (!cluster_.running(MemberId(id))) continue;
      const auto commands = cluster_.commands(MemberId(id));
      const std::size_t common = std::min(commands.size(), acknowledged_.size());
      ASSERT_TRUE(std::equal(commands.begin(), commands.begin() + static_cast<long>(common),
                             acknowledged_.begin()));
      if (commands.size() > common) acknowledged_ = commands;
    }
  }
  void check_acknowledged() {
    const auto commands = cluster_.commands(MemberId(1));
    ASSERT_GE(commands.size(), acknowledged_.size());
    note_acknowledged();
  }

  Prng prng_;
  Cluster cluster_;
  std::uint64_t proposed_ = 0;
  std::vector<std::string> acknowledged_;
};

TEST(ThreeNodes, CrashesAndPartitions_LoseNothingThatWasApplied) {
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    RandomRun(seed).run();
  }
}

}  // namespace
}  // namespace coord::raft::testing

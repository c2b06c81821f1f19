#include "tests/raft/core/cluster.h"

namespace coord::raft {
namespace {

TEST(Replication, Cluster_ElectsALeader_AndAppliesCommandsEverywhere) {
  Cluster cluster({});
  cluster.run(seconds(3));
  ASSERT_TRUE(cluster.leader());
  cluster.propose(*cluster.leader(), "a");
  cluster.propose(*cluster.leader(), "b");
  cluster.run(milliseconds(100));
  for (int member = 1; member <= 3; ++member) {
    EXPECT_EQ(cluster.commands(member), (std::vector<std::string>{"a", "b"}));
  }
}

}  // namespace
}  // namespace coord::raft

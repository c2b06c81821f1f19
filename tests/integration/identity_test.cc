// Disks that are not what they were: a member that comes back with an empty one under its old
// identity never takes part, whoever of the others is there.
#include <gtest/gtest.h>

#include "tests/integration/cluster.h"

namespace coord::test {
namespace {

constexpr int kExitOtherDisk = 5;

class WipedDisk : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.start_all();
    cluster_.wait_until_serving();
    ASSERT_EQ(cluster_.ctl({"put", "a", "1"}).exit_code, 0);
  }
  bool says(int member, const std::string& text) {
    return eventually([&] { return cluster_.log(member).find(text) != std::string::npos; });
  }
  void expect_refused(int member) {
    EXPECT_EQ(cluster_.process(member).wait(Milliseconds(10000)), kExitOtherDisk)
        << cluster_.log(member);
    EXPECT_TRUE(says(member, "its data directory is not the one it had"));
  }

  Cluster cluster_;
};

TEST_F(WipedDisk, OfOneMember_IsRefused_AndTheOthersGoOn) {
  const int wiped = (cluster_.leader() + 1) % 3;
  cluster_.kill(wiped);
  cluster_.wipe(wiped);
  cluster_.start(wiped);
  expect_refused(wiped);
  EXPECT_EQ(cluster_.ctl({"get", "a"}).exit_code, 0);
  // Another try is no better.
  cluster_.start(wiped);
  expect_refused(wiped);
}

TEST_F(WipedDisk, WithOneOtherMember_MakesNoMajority) {
  const int leader = cluster_.leader();
  const int wiped = (leader + 1) % 3;
  const int other = (leader + 2) % 3;
  cluster_.kill_all();
  cluster_.wipe(wiped);
  cluster_.start(wiped);
  cluster_.start(other);
  expect_refused(wiped);
  EXPECT_EQ(cluster_.ctl({"--timeout", "2s", "health"}).exit_code, 7);
  cluster_.start(leader);
  cluster_.wait_until_serving();
  EXPECT_EQ(cluster_.ctl({"get", "a"}).out, "1\n");
}

TEST(NewDisks, WaitForTheOthers_InAnyOrder_AndSaySo) {
  Cluster cluster;
  cluster.start(2);
  cluster.start(0);
  EXPECT_TRUE(eventually([&] {
    return cluster.log(0).find("and 1 have so far") != std::string::npos &&
           cluster.log(2).find("and 1 have so far") != std::string::npos;
  })) << cluster.log(0);
  const RunResult health =
      cluster.ctl({"--endpoints", cluster.endpoint(0), "--timeout", "2s", "health"});
  EXPECT_EQ(health.exit_code, 7);
  EXPECT_NE(health.err.find("disk is new"), std::string::npos) << health.err;
  // Restarted before it has voted: it waits again, and is who it was.
  cluster.kill(0);
  cluster.start(0);
  cluster.start(1);
  cluster.wait_until_serving();
  EXPECT_EQ(cluster.ctl({"put", "a", "1"}).exit_code, 0);
  // From now on a majority is enough.
  cluster.kill_all();
  cluster.start(0);
  cluster.start(2);
  cluster.wait_until_serving();
}

}  // namespace
}  // namespace coord::test

// What coordctl reports of members that are not what they should be, and of itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/loopback_cluster.h"
#include "tests/integration/cluster.h"
#include "tests/integration/process.h"

namespace coord::fake {
namespace {

using test::RunResult;
using ::testing::HasSubstr;

class CoordctlReports : public ::testing::Test {
 protected:
  RunResult ctl(const std::string& arguments) {
    return test::run(
        {"/bin/sh", "-c",
         test::program("coordctl") + " --endpoints " + cluster_.endpoints()[1] + " " + arguments});
  }
  LoopbackCluster cluster_;
};

TEST_F(CoordctlReports, MemberOfAnotherCluster_IsNotTakenForOneOfThisCluster) {
  cluster_.with([](Cluster& cluster) { cluster.member(0).cluster_id = 2; });
  const RunResult json = ctl("-o json status");
  EXPECT_EQ(json.exit_code, 0) << json.err;
  const std::string stranger = test::lines(json.out).at(0);
  EXPECT_EQ(test::json_field(stranger, "name"), "n1");
  EXPECT_EQ(test::json_field(stranger, "role"), "another cluster");
  EXPECT_THAT(test::json_field(stranger, "error"), HasSubstr("belongs to another cluster"));
  EXPECT_EQ(test::json_field(test::lines(json.out).at(1), "role"), "follower");
  EXPECT_THAT(ctl("status").out, HasSubstr("another cluster"));
}

TEST_F(CoordctlReports, OutputThatCannotBeWritten_LeavesAppliedWhatWasApplied) {
  const RunResult put = ctl("-o json put a 1 > /dev/full");
  EXPECT_EQ(put.exit_code, 1);
  EXPECT_EQ(test::json_field(put.err, "error"), "io");
  EXPECT_EQ(test::json_field(put.err, "outcome"), "applied");
}

TEST_F(CoordctlReports, ChangeThatIsOnlyRefused_IsNotApplied) {
  cluster_.with([](Cluster& cluster) { cluster.elect(nullptr); });
  for (int i = 0; i < 3; ++i) {
    const RunResult compact = ctl("-o json --timeout 300ms compact 1");
    EXPECT_EQ(compact.exit_code, 7) << compact.err;
    EXPECT_EQ(test::json_field(compact.err, "outcome"), "notApplied");
  }
}

TEST_F(CoordctlReports, TransferToNobody_IsWrongUsage) {
  EXPECT_EQ(ctl("leader transfer \"\"").exit_code, 2);
  cluster_.with([](Cluster& cluster) { EXPECT_TRUE(cluster.membership.made.empty()); });
}

TEST_F(CoordctlReports, Member_IsFoundByTheNumberThatProgramsAreShown) {
  cluster_.with([](Cluster& cluster) { cluster.membership.learners = {0x1f}; });
  EXPECT_EQ(ctl("member remove 31").exit_code, 0);
  cluster_.with([](Cluster& cluster) { cluster.membership.learners = {0x1f}; });
  EXPECT_EQ(ctl("member remove 1f").exit_code, 0);
  // Hexadecimal of the one, decimal of the other.
  cluster_.with([](Cluster& cluster) { cluster.membership.learners = {0x31, 31}; });
  EXPECT_EQ(ctl("member remove 31").exit_code, 1);
}

}  // namespace
}  // namespace coord::fake

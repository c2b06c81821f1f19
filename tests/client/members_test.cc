// Members that come and go while a client lives.
#include "tests/client/simulated_client.h"

namespace coord::fake {
namespace {

class MembersTest : public SimulatedClientTest {
 protected:
  // Of three that there are, only the first is a member, and the client knows no other.
  void begin_with_the_first() {
    cluster.present = {0, 1};
    cluster.elect(&member(0));
    options.endpoints = {"member1:1"};
  }
  // The cluster becomes the second and the third.
  void become_the_others() {
    cluster.present = {1, 3};
    ++cluster.members_version;
  }
  void first_one_ends() {
    cluster.elect(&member(1));
    member(0).up = false;
    member(0).cut();
  }
};

TEST_F(MembersTest, NewOnes_AreLearnedFromTheNextAnswer) {
  begin_with_the_first();
  ASSERT_TRUE(put("a", "1").ok());
  become_the_others();
  ASSERT_TRUE(put("a", "2").ok());
  // The news were in that answer; what they are takes no request of the caller's.
  settle();
  first_one_ends();
  const auto after = put("a", "3");
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_GT(member(1).write_calls, 0u);
}

TEST_F(MembersTest, NewOnes_AreLearnedByAnIdleClientToo) {
  begin_with_the_first();
  ASSERT_TRUE(put("a", "1").ok());
  become_the_others();
  pass(seconds(11));
  first_one_ends();
  const auto after = put("a", "3");
  ASSERT_TRUE(after.ok()) << after.error().message;
}

TEST_F(MembersTest, OnesThatAreGone_AreForgotten_ExceptThoseThatWereGiven) {
  begin_with_the_first();
  ASSERT_TRUE(put("a", "1").ok());
  cluster.present = {0, 3};
  ++cluster.members_version;
  ASSERT_TRUE(put("a", "2").ok());
  cluster.present = {0, 1};
  ++cluster.members_version;
  ASSERT_TRUE(put("a", "3").ok());
  pass(milliseconds(100));
  const std::size_t connections = member(1).connections + member(2).connections;
  member(0).up = false;
  member(0).cut();
  std::optional<Result<PutResult>> waiting;
  client().async_put("a", "4", {}, into(waiting));
  pass(milliseconds(500));
  EXPECT_EQ(member(1).connections + member(2).connections, connections);
  member(0).up = true;
  EXPECT_TRUE(wait(waiting).ok());
}

TEST_F(MembersTest, WithoutNews_AreNotAskedForAgain) {
  begin_with_the_first();
  ASSERT_TRUE(put("a", "1").ok());
  const std::size_t asked = member(0).asked_for_members;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(put("a", "2").ok());
  EXPECT_EQ(member(0).asked_for_members, asked);
}

TEST_F(MembersTest, StatusOfAMemberOfAnotherCluster_IsRefused) {
  ASSERT_TRUE(put("a", "1").ok());
  for (std::size_t i = 0; i < 3; ++i) member(i).cut();
  member(1).cluster_id = 2;
  const auto status = perform(op::EndpointStatus{"member2:1", milliseconds(500)});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kWrongCluster);
  const auto own = perform(op::EndpointStatus{"member3:1", milliseconds(500)});
  EXPECT_TRUE(own.ok());
}

TEST_F(MembersTest, IdleClient_AsksOneAfterTheOther) {
  ASSERT_TRUE(put("a", "1").ok());
  // Then it connects to all of them.
  for (std::size_t i = 0; i < 3; ++i) member(i).cut();
  ASSERT_TRUE(put("a", "2").ok());
  pass(seconds(1));
  for (std::size_t i = 0; i < 3; ++i) member(i).asked_for_members = 0;
  pass(seconds(35));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_GT(member(i).asked_for_members, 0u) << i;
}

TEST_F(MembersTest, NewOnes_AreLearnedFromTheAnswersOfCallsToo) {
  begin_with_the_first();
  ASSERT_TRUE(perform(op::Progress{milliseconds(500)}).ok());
  become_the_others();
  ASSERT_TRUE(perform(op::Progress{milliseconds(500)}).ok());
  settle();
  first_one_ends();
  EXPECT_TRUE(perform(op::Progress{milliseconds(500)}).ok());
}

TEST_F(MembersTest, LeaderThatCannotBeReached_IsNotAskedForAllTheTime) {
  member(0).up = false;
  for (std::size_t i = 1; i < 3; ++i) member(i).refuses = false;
  ASSERT_TRUE(put("a", "1").ok());
  pass(seconds(2));
  for (std::size_t i = 1; i < 3; ++i) member(i).asked_for_members = 0;
  for (int i = 0; i < 200; ++i) {
    const Instant before = now();
    ASSERT_TRUE(put("a", "2").ok());
    EXPECT_LT(now() - before, milliseconds(100)) << "others forward";
    pass(milliseconds(10));
  }
  EXPECT_LT(member(1).asked_for_members + member(2).asked_for_members, 60u);
}

}  // namespace
}  // namespace coord::fake

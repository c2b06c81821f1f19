// Waiting for locks, and what only the leader knows of leases.
#include <gtest/gtest.h>

#include <string_view>

#include "tests/service/api/cluster.h"

namespace coord::service {
namespace {

class Locks : public testing::Test {
 protected:
  void grant(std::uint64_t lease, std::uint64_t ttl_ms = 60'000) {
    auto request = cluster_.leader().kv().writeRequest();
    fill_grant(request.initWrites(1)[0], lease, ttl_ms);
    cluster_.wait(request.send());
  }
  void acquire(std::uint64_t lease) {
    auto request = cluster_.leader().kv().writeRequest();
    fill_acquire(request.initWrites(1)[0], "l", lease, true);
    cluster_.wait(request.send());
  }
  void release(std::uint64_t lease) {
    auto request = cluster_.leader().kv().writeRequest();
    auto release = request.initWrites(1)[0].initLockRelease();
    release.initLock().setName(bytes("l"));
    release.setLease(lease);
    cluster_.wait(request.send());
  }
  auto await(TestMember& member, std::uint64_t lease, std::uint32_t deadline_ms = 10'000) {
    auto request = member.lock().awaitRequest();
    request.initLock().setName(bytes("l"));
    request.setLease(lease);
    request.setDeadlineMs(deadline_ms);
    return request.send();
  }

  TestCluster cluster_{3};
};

TEST_F(Locks, WaitedForAnywhere_AreAnsweredInOrderOfTheQueue) {
  for (const std::uint64_t lease : {1u, 2u, 3u}) grant(lease);
  for (const std::uint64_t lease : {1u, 2u, 3u}) acquire(lease);
  auto second = await(cluster_.follower(), 2);
  auto third = await(cluster_.leader(), 3);
  const auto first = cluster_.wait(await(cluster_.follower(), 1));
  ASSERT_TRUE(first.getResult().isGranted());
  release(1);
  const auto granted = cluster_.wait(kj::mv(second));
  ASSERT_TRUE(granted.getResult().isGranted());
  EXPECT_GT(granted.getResult().getGranted(), first.getResult().getGranted());
  EXPECT_FALSE(third.poll(cluster_.scope()));
  release(2);
  EXPECT_TRUE(cluster_.wait(kj::mv(third)).getResult().isGranted());
}

TEST_F(Locks, WaitedForUntilTheDeadline_AreStillQueued) {
  for (const std::uint64_t lease : {1u, 2u}) grant(lease);
  for (const std::uint64_t lease : {1u, 2u}) acquire(lease);
  const auto response = cluster_.wait(await(cluster_.follower(), 2, 100));
  EXPECT_TRUE(response.getResult().isQueued());
}

TEST_F(Locks, WhoseWaiterIsGone_SaySo) {
  for (const std::uint64_t lease : {1u, 2u}) grant(lease);
  for (const std::uint64_t lease : {1u, 2u}) acquire(lease);
  auto waiting = await(cluster_.follower(), 2);
  cluster_.run(milliseconds(5));
  auto request = cluster_.leader().kv().writeRequest();
  request.initWrites(1)[0].setLeaseRevoke(2);
  cluster_.wait(request.send());
  EXPECT_TRUE(cluster_.wait(kj::mv(waiting)).getResult().isAbsent());
  EXPECT_TRUE(cluster_.wait(await(cluster_.leader(), 99)).getResult().isAbsent());
}

TEST_F(Locks, Shown_TellHoldersAndWaiters) {
  auto nothing = cluster_.follower().lock().showRequest();
  nothing.initLock().setName(bytes("l"));
  EXPECT_EQ(static_cast<ErrorCode>(cluster_.wait(nothing.send()).getFailure().getCode()),
            ErrorCode::kLockNotFound);
  for (const std::uint64_t lease : {1u, 2u}) grant(lease);
  for (const std::uint64_t lease : {1u, 2u}) acquire(lease);
  auto request = cluster_.follower().lock().showRequest();
  request.initLock().setName(bytes("l"));
  const auto response = cluster_.wait(request.send());
  ASSERT_EQ(response.getInfo().getHolders().size(), 1u);
  EXPECT_EQ(response.getInfo().getHolders()[0].getLease(), 1u);
  ASSERT_EQ(response.getInfo().getWaiters().size(), 1u);
  EXPECT_EQ(response.getInfo().getWaiters()[0].getLease(), 2u);
  const auto listed = cluster_.wait(cluster_.follower().lock().listRequest().send());
  EXPECT_EQ(listed.getLocks().size(), 1u);
}

TEST_F(Locks, OfALeaseThatExpires_GoToTheNext) {
  grant(1, 500);
  grant(2);
  for (const std::uint64_t lease : {1u, 2u}) acquire(lease);
  EXPECT_TRUE(cluster_.wait(await(cluster_.follower(), 2)).getResult().isGranted());
}

TEST_F(Locks, RenewedThroughAFollower_KeepTheirLease) {
  grant(1, 1000);
  for (int i = 0; i < 5; ++i) {
    cluster_.run(milliseconds(600));
    auto request = cluster_.follower().lease().renewRequest();
    request.setIds({1, 77});
    const auto response = cluster_.wait(request.send());
    ASSERT_FALSE(response.hasFailure());
    EXPECT_EQ(response.getResults()[0].getTtlMs(), 1000u);
    EXPECT_EQ(static_cast<ErrorCode>(response.getResults()[1].getFailure().getCode()),
              ErrorCode::kLeaseNotFound);
  }
  auto request = cluster_.follower().lease().getRequest();
  request.setId(1);
  const auto info = cluster_.wait(request.send());
  ASSERT_FALSE(info.hasFailure());
  EXPECT_GT(info.getInfo().getRemainingMs(), 0u);
  EXPECT_LE(info.getInfo().getRemainingMs(), 1300u);
  const auto listed = cluster_.wait(cluster_.follower().lease().listRequest().send());
  EXPECT_EQ(listed.getLeases().size(), 1u);
}

TEST(Members, AskedAnywhere_AreAllNamed) {
  TestCluster cluster(3);
  TestMember& follower = cluster.follower();
  MemberRecord self;
  self.id = follower.id();
  self.name = "n";
  self.client_address = "127.0.0.1:1";
  EXPECT_TRUE(cluster.wait(follower.api().publish_self(self)).ok());
  cluster.run(milliseconds(200));
  const auto response = cluster.wait(cluster.leader().cluster().membersRequest().send());
  ASSERT_EQ(response.getMembers().size(), 3u);
  EXPECT_EQ(response.getLeader(), cluster.leader().id().value());
  const auto published = response.getMembers()[static_cast<unsigned>(self.id.value() - 1)];
  EXPECT_EQ(std::string_view(published.getClientAddress().cStr()), "127.0.0.1:1");
  // A client of the follower is told where the leader is once that is known.
  const auto status = cluster.wait(follower.cluster().statusRequest().send());
  EXPECT_EQ(status.getStatus().getRole(), schema::Role::FOLLOWER);
  EXPECT_EQ(status.getStatus().getLeader(), cluster.leader().id().value());
}

TEST(Health, WithoutAQuorum_IsNotWellAndSaysWhy) {
  TestCluster cluster(3);
  TestMember& follower = cluster.follower();
  const auto ask = [&] {
    auto request = follower.cluster().healthRequest();
    request.setLinearizable(true);
    request.setDeadlineMs(300);
    return cluster.wait(request.send());
  };
  EXPECT_TRUE(ask().getHealthy());
  cluster.isolate(follower.id());
  cluster.run(seconds(2));
  const auto ill = ask();
  EXPECT_FALSE(ill.getHealthy());
  EXPECT_GT(ill.getReason().size(), 0u);
}

}  // namespace
}  // namespace coord::service

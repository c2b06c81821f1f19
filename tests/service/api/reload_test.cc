// What waits at a member whose state becomes that of a snapshot.
#include <gtest/gtest.h>

#include "tests/service/api/cluster.h"

namespace coord::service {
namespace {

auto put(schema::Kv::Client kv, std::string_view key, std::uint32_t deadline_ms = 10'000) {
  auto request = kv.writeRequest();
  fill_put(request.initWrites(1)[0], key, "1");
  request.setDeadlineMs(deadline_ms);
  return request.send();
}

// A member that stays behind, while the others go on.
class Reloaded : public testing::Test {
 protected:
  void leave_behind(TestMember& member) {
    behind_ = &member;
    cluster_.isolate(member.id());
  }
  void others_write(int writes) {
    for (int i = 0; i < writes; ++i) cluster_.wait(put(cluster_.leader().kv(), "k"));
  }
  void receive_snapshot() { behind_->become(cluster_.leader()); }

  TestCluster cluster_{3};
  TestMember* behind_ = nullptr;
};

TEST_F(Reloaded, WriteInThePartOfTheLogThatWasPassedOver_IsUnknown) {
  leave_behind(cluster_.leader());
  auto passed_over = put(behind_->kv(), "a");
  others_write(20);
  receive_snapshot();
  const auto answer = cluster_.wait(kj::mv(passed_over));
  EXPECT_EQ(answer.getFailure().getOutcome(), schema::Outcome::UNKNOWN);
  EXPECT_EQ(answer.getFailure().getCode(), static_cast<std::uint16_t>(ErrorCode::kNotLeader));
  EXPECT_EQ(behind_->applier().pending(), 0u);
}

TEST_F(Reloaded, WriteBehindTheSnapshot_GoesOnWaiting) {
  leave_behind(cluster_.leader());
  std::vector<decltype(put(behind_->kv(), "a"))> writes;
  for (int i = 0; i < 40; ++i) writes.push_back(put(behind_->kv(), "a", 5000));
  others_write(3);
  cluster_.run(milliseconds(1));
  const std::size_t before = behind_->applier().pending();
  receive_snapshot();
  EXPECT_LT(behind_->applier().pending(), before);
  EXPECT_GT(behind_->applier().pending(), 30u);
}

TEST_F(Reloaded, ReadOfARevisionThatIsThereNow_IsAnswered) {
  leave_behind(cluster_.follower());
  others_write(20);
  auto request = behind_->kv().readRequest();
  request.initReads(1)[0].initRange().setBegin(bytes("k"));
  request.initConsistency().setAtLeast(cluster_.leader().state().revision().value());
  auto reading = request.send();
  EXPECT_FALSE(reading.poll(cluster_.scope()));
  receive_snapshot();
  const auto answer = cluster_.wait(kj::mv(reading));
  EXPECT_EQ(answer.getResults()[0].getRange().getItems().size(), 1u);
}

TEST_F(Reloaded, WhoWaitsForALock_LooksAgain) {
  const auto write = [&](auto&& fill) {
    auto request = cluster_.leader().kv().writeRequest();
    fill(request.initWrites(1)[0]);
    cluster_.wait(request.send());
  };
  const auto await = [&](std::uint64_t lease) {
    auto request = behind_->lock().awaitRequest();
    request.initLock().setName(bytes("l"));
    request.setLease(lease);
    request.setDeadlineMs(10'000);
    return request.send();
  };
  for (const std::uint64_t lease : {1u, 2u, 3u}) {
    write([&](auto out) { fill_grant(out, lease, 60'000); });
    write([&](auto out) { fill_acquire(out, "l", lease, true); });
  }
  behind_ = &cluster_.follower();
  cluster_.run(milliseconds(20));
  auto second = await(2);
  auto third = await(3);
  cluster_.run(milliseconds(20));
  EXPECT_FALSE(second.poll(cluster_.scope()));
  leave_behind(*behind_);
  write([&](auto out) {
    auto release = out.initLockRelease();
    release.initLock().setName(bytes("l"));
    release.setLease(1);
  });
  EXPECT_FALSE(second.poll(cluster_.scope()));
  receive_snapshot();
  EXPECT_TRUE(cluster_.wait(kj::mv(second)).getResult().isGranted());
  EXPECT_FALSE(third.poll(cluster_.scope()));
}

TEST_F(Reloaded, DigestsOfBefore_AreForgotten) {
  others_write(200);
  cluster_.run(milliseconds(100));
  leave_behind(cluster_.follower());
  EXPECT_GT(behind_->applier().digests().all().size(), 2u);
  others_write(10);
  receive_snapshot();
  EXPECT_LE(behind_->applier().digests().all().size(), 1u);
}

}  // namespace
}  // namespace coord::service

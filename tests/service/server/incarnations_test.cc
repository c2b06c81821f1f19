#include "service/server/incarnations.h"

#include <gtest/gtest.h>
#include <kj/async.h>

#include <fstream>
#include <memory>
#include <optional>

#include "tests/service/store/fixture.h"
#include "tests/temporary_directory.h"

namespace coord::service {
namespace {

constexpr MemberId kMember{2};
constexpr MemberId kStranger{9};

class IncarnationsTest : public testing::Test {
 protected:
  ~IncarnationsTest() noexcept override {}

  std::unique_ptr<Incarnations> open() { return open(file_); }
  std::unique_ptr<Incarnations> open(const std::filesystem::path& file) {
    const auto known = Incarnations::read(file);
    EXPECT_TRUE(known.ok()) << known.error().message;
    auto met = std::make_unique<Incarnations>(file, *known, disk_,
                                              [this](const Error& error) { failed_ = error; });
    met->members_are(members_);
    return met;
  }
  // With the disk's answer, if it has to wait for it.
  Status meet(Incarnations& met, MemberId member, Incarnation incarnation) {
    auto meeting = met.meet(member, incarnation).promise();
    while (!meeting.poll(scope_)) queue_.run_one();
    return meeting.wait(scope_);
  }

  const test::TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "met";
  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  PostQueue queue_;
  Worker disk_{queue_.post()};
  std::optional<Error> failed_;
  raft::Configuration members_{
      .voters = {MemberId(1), kMember}, .outgoing = {}, .learners = {}, .addresses = {}};
};

TEST_F(IncarnationsTest, FirstOne_IsRememberedForEver) {
  {
    const auto met = open();
    EXPECT_TRUE(meet(*met, kMember, Incarnation(7)).ok());
    EXPECT_TRUE(meet(*met, kMember, Incarnation(7)).ok());
    EXPECT_EQ(meet(*met, kMember, Incarnation(8)).error().code, ErrorCode::kWrongIncarnation);
  }
  const auto met = open();
  EXPECT_EQ(meet(*met, kMember, Incarnation(8)).error().code, ErrorCode::kWrongIncarnation);
  EXPECT_TRUE(meet(*met, kMember, Incarnation(7)).ok());
  EXPECT_TRUE(queue_.empty()) << "it was written again";
}

TEST_F(IncarnationsTest, OfAMember_IsOnTheDiskBeforeItIsLetIn) {
  const auto met = open();
  auto meeting = met->meet(kMember, Incarnation(7)).promise();
  queue_.await_one();
  EXPECT_FALSE(meeting.poll(scope_)) << "it is not known yet that it is on the disk";
  EXPECT_FALSE(met->hears(kMember));
  auto again = met->meet(kMember, Incarnation(7)).promise();
  EXPECT_FALSE(again.poll(scope_)) << "nor for who comes a second time";
  EXPECT_FALSE(meet(*met, kMember, Incarnation(8)).ok());
  queue_.run_one();
  EXPECT_TRUE(meeting.wait(scope_).ok());
  EXPECT_TRUE(again.wait(scope_).ok());
  EXPECT_TRUE(met->hears(kMember));
  // A crash now.
  const auto after = open();
  EXPECT_FALSE(meet(*after, kMember, Incarnation(8)).ok());
}

TEST_F(IncarnationsTest, ThatComeWhileTheFileIsWritten_AreInTheNextOne) {
  members_.learners = {MemberId(3), MemberId(4)};
  const auto met = open();
  auto first = met->meet(kMember, Incarnation(7)).promise();
  auto second = met->meet(MemberId(3), Incarnation(7)).promise();
  auto third = met->meet(MemberId(4), Incarnation(7)).promise();
  queue_.run_one();
  EXPECT_TRUE(first.wait(scope_).ok());
  EXPECT_FALSE(second.poll(scope_));
  EXPECT_FALSE(met->hears(MemberId(3)));
  queue_.run_one();
  EXPECT_TRUE(second.wait(scope_).ok());
  EXPECT_TRUE(third.wait(scope_).ok());
  EXPECT_EQ(*Incarnations::read(file_), (Incarnations::Known{{kMember, Incarnation(7)},
                                                             {MemberId(3), Incarnation(7)},
                                                             {MemberId(4), Incarnation(7)}}));
}

TEST_F(IncarnationsTest, OfAStranger_CountsFromWhenItIsAMember) {
  const auto met = open();
  EXPECT_TRUE(meet(*met, kStranger, Incarnation(7)).ok());
  EXPECT_TRUE(meet(*met, kStranger, Incarnation(8)).ok()) << "it binds nobody";
  EXPECT_TRUE(met->hears(kStranger));
  EXPECT_FALSE(std::filesystem::exists(file_));
  members_.learners = {kStranger};
  met->members_are(members_);
  EXPECT_FALSE(met->hears(kStranger)) << "it is not on the disk yet";
  queue_.run_one();
  EXPECT_TRUE(met->hears(kStranger));
  EXPECT_FALSE(meet(*met, kStranger, Incarnation(7)).ok());
  EXPECT_TRUE(meet(*met, kStranger, Incarnation(8)).ok());
  const auto after = open();
  EXPECT_FALSE(meet(*after, kStranger, Incarnation(7)).ok());
}

TEST_F(IncarnationsTest, OfAMemberThatWasNeverMet_IsNotHeard) {
  EXPECT_FALSE(open()->hears(kMember));
}

TEST_F(IncarnationsTest, OfOneThatWasRemoved_IsNotForgotten) {
  const auto met = open();
  ASSERT_TRUE(meet(*met, kMember, Incarnation(7)).ok());
  members_.voters = {MemberId(1)};
  met->members_are(members_);
  EXPECT_FALSE(meet(*met, kMember, Incarnation(8)).ok());
}

TEST_F(IncarnationsTest, DamagedFile_IsRefused) {
  ASSERT_TRUE(meet(*open(), kMember, Incarnation(7)).ok());
  std::ofstream(file_, std::ios::app) << "x";
  EXPECT_EQ(Incarnations::read(file_).error().code, ErrorCode::kCorrupt);
  std::ofstream(file_) << "";
  EXPECT_EQ(Incarnations::read(file_).error().code, ErrorCode::kCorrupt);
}

TEST_F(IncarnationsTest, ThatCannotBeWrittenDown_IsAnError) {
  const auto met = open(directory_.path() / "none" / "met");
  EXPECT_EQ(meet(*met, kMember, Incarnation(7)).error().code, ErrorCode::kIo);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, ErrorCode::kIo);
  EXPECT_FALSE(met->hears(kMember));
  EXPECT_EQ(meet(*met, kMember, Incarnation(7)).error().code, ErrorCode::kIo) << "still not";
}

}  // namespace
}  // namespace coord::service

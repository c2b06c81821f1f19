#include "service/server/incarnations.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/temporary_directory.h"

namespace coord::service {
namespace {

constexpr MemberId kMember{2};
constexpr MemberId kStranger{9};

class IncarnationsTest : public testing::Test {
 protected:
  Incarnations open() {
    auto opened = Incarnations::open(file_);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    EXPECT_TRUE(opened->members_are(members_).ok());
    return std::move(*opened);
  }

  const test::TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "met";
  raft::Configuration members_{
      .voters = {MemberId(1), kMember}, .outgoing = {}, .learners = {}, .addresses = {}};
};

TEST_F(IncarnationsTest, FirstOne_IsRememberedForEver) {
  {
    Incarnations met = open();
    EXPECT_TRUE(met.meet(kMember, Incarnation(7)).ok());
    EXPECT_TRUE(met.meet(kMember, Incarnation(7)).ok());
    EXPECT_EQ(met.meet(kMember, Incarnation(8)).error().code, ErrorCode::kWrongIncarnation);
  }
  Incarnations met = open();
  EXPECT_EQ(met.meet(kMember, Incarnation(8)).error().code, ErrorCode::kWrongIncarnation);
  EXPECT_TRUE(met.meet(kMember, Incarnation(7)).ok());
}

TEST_F(IncarnationsTest, OfAMember_IsOnTheDiskBeforeItIsLetIn) {
  Incarnations met = open();
  ASSERT_TRUE(met.meet(kMember, Incarnation(7)).ok());
  // A crash now.
  Incarnations after = open();
  EXPECT_FALSE(after.meet(kMember, Incarnation(8)).ok());
}

TEST_F(IncarnationsTest, OfAStranger_CountsFromWhenItIsAMember) {
  Incarnations met = open();
  EXPECT_TRUE(met.meet(kStranger, Incarnation(7)).ok());
  EXPECT_TRUE(met.meet(kStranger, Incarnation(8)).ok()) << "it binds nobody";
  EXPECT_FALSE(std::filesystem::exists(file_));
  members_.learners = {kStranger};
  ASSERT_TRUE(met.members_are(members_).ok());
  EXPECT_FALSE(met.meet(kStranger, Incarnation(7)).ok());
  EXPECT_TRUE(met.meet(kStranger, Incarnation(8)).ok());
  Incarnations after = open();
  EXPECT_FALSE(after.meet(kStranger, Incarnation(7)).ok());
}

TEST_F(IncarnationsTest, OfOneThatWasRemoved_IsNotForgotten) {
  Incarnations met = open();
  ASSERT_TRUE(met.meet(kMember, Incarnation(7)).ok());
  members_.voters = {MemberId(1)};
  ASSERT_TRUE(met.members_are(members_).ok());
  EXPECT_FALSE(met.meet(kMember, Incarnation(8)).ok());
}

TEST_F(IncarnationsTest, DamagedFile_IsRefused) {
  ASSERT_TRUE(open().meet(kMember, Incarnation(7)).ok());
  std::ofstream(file_, std::ios::app) << "x";
  EXPECT_EQ(Incarnations::open(file_).error().code, ErrorCode::kCorrupt);
  std::ofstream(file_) << "";
  EXPECT_EQ(Incarnations::open(file_).error().code, ErrorCode::kCorrupt);
}

TEST_F(IncarnationsTest, ThatCannotBeWrittenDown_IsAnError) {
  auto opened = Incarnations::open(directory_.path() / "none" / "met");
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE(opened->members_are(members_).ok());
  EXPECT_EQ(opened->meet(kMember, Incarnation(7)).error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace coord::service

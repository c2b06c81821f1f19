#include "service/server/data_directory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/temporary_directory.h"

namespace coord::service {
namespace {

namespace fs = std::filesystem;

class DataDirectories : public testing::Test {
 protected:
  ErrorCode error(const Identity& identity) const {
    const auto opened = DataDirectory::open(path_, identity);
    if (opened.ok()) {
      ADD_FAILURE() << "opened";
      return ErrorCode::kInternal;
    }
    return opened.error().code;
  }

  const test::TemporaryDirectory directory_;
  const fs::path& path_ = directory_.path();
  const Identity self_{.cluster = ClusterId(0xabc),
                       .member = MemberId(2),
                       .name = "n2",
                       .incarnation = Incarnation(0x123),
                       .initial = {{MemberId(1), {"n1", "h:1"}}, {MemberId(2), {"n2", "h:2"}}}};
};

TEST_F(DataDirectories, OfTheSameMember_OpenAgain) {
  ASSERT_TRUE(DataDirectory::open(path_ / "deep" / "er", self_).ok());
  EXPECT_TRUE(DataDirectory::open(path_ / "deep" / "er", self_).ok());
}

TEST_F(DataDirectories, OfAnotherMemberOrCluster_AreRefused) {
  ASSERT_TRUE(DataDirectory::open(path_, self_).ok());
  Identity other = self_;
  other.cluster = ClusterId(0xabd);
  EXPECT_EQ(error(other), ErrorCode::kWrongCluster);
  other = self_;
  other.member = MemberId(1);
  EXPECT_EQ(error(other), ErrorCode::kWrongMember);
  other = self_;
  other.incarnation = Incarnation(0x124);
  EXPECT_EQ(error(other), ErrorCode::kWrongMember);
}

TEST_F(DataDirectories, TellWhoseTheyAre_WithoutBeingTouched) {
  const auto nobodys = DataDirectory::look(path_ / "none");
  ASSERT_TRUE(nobodys.ok());
  EXPECT_FALSE(nobodys->has_value());
  EXPECT_FALSE(fs::exists(path_ / "none"));
  auto holder = DataDirectory::open(path_, self_);
  ASSERT_TRUE(holder.ok());
  const auto found = DataDirectory::look(path_);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, self_);
  std::ofstream(path_ / "identity", std::ios::app) << "x";
  EXPECT_EQ(DataDirectory::look(path_).error().code, ErrorCode::kCorrupt);
}

TEST_F(DataDirectories, OfARemovedMember_AreRefusedForGood_AndSayWhy) {
  {
    auto holder = DataDirectory::open(path_, self_);
    ASSERT_TRUE(holder.ok());
    ASSERT_TRUE(holder->mark_removed("gone for good").ok());
  }
  const auto again = DataDirectory::open(path_, self_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kMemberRemoved);
  EXPECT_EQ(again.error().message, "gone for good");
}

TEST_F(DataDirectories, InUse_AreRefusedUntilTheyAreLetGo) {
  auto holder = DataDirectory::open(path_, self_);
  ASSERT_TRUE(holder.ok());
  EXPECT_EQ(error(self_), ErrorCode::kInUse);
  { const DataDirectory gone = std::move(*holder); }
  EXPECT_TRUE(DataDirectory::open(path_, self_).ok());
}

TEST_F(DataDirectories, WithADamagedIdentity_AreRefused) {
  ASSERT_TRUE(DataDirectory::open(path_, self_).ok());
  std::ofstream(path_ / "identity", std::ios::app) << "x";
  EXPECT_EQ(error(self_), ErrorCode::kCorrupt);
  std::string format;
  std::getline(std::ifstream(path_ / "identity") >> std::ws, format);
  std::ofstream(path_ / "identity") << format << "\nmember\n";
  EXPECT_EQ(error(self_), ErrorCode::kCorrupt);
  std::ofstream(path_ / "identity") << "";
  EXPECT_EQ(error(self_), ErrorCode::kCorrupt);
}

TEST_F(DataDirectories, WithALogButNoIdentity_AreRefused) {
  fs::create_directories(path_ / "log");
  EXPECT_EQ(error(self_), ErrorCode::kCorrupt);
}

TEST_F(DataDirectories, ThatCannotBeMade_AreRefused) {
  std::ofstream(path_ / "file") << "x";
  EXPECT_EQ(DataDirectory::open(path_ / "file" / "data", self_).error().code, ErrorCode::kIo);
}

TEST(Identities, OfAnotherFormat_SayWhichOne) {
  const std::string text = to_text(
      Identity{.cluster = ClusterId(1), .member = MemberId(1), .name = "n1", .incarnation = {}});
  const auto found = parse_identity("coord-data 9" + text.substr(text.find('\n')));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace coord::service

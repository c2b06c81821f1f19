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
  const Identity self_{ClusterId(0xabc), MemberId(2), "n2"};
};

TEST_F(DataDirectories, OfTheSameMember_OpenAgain) {
  ASSERT_TRUE(DataDirectory::open(path_ / "deep" / "er", self_).ok());
  EXPECT_TRUE(DataDirectory::open(path_ / "deep" / "er", self_).ok());
}

TEST_F(DataDirectories, OfAnotherMemberOrCluster_AreRefused) {
  ASSERT_TRUE(DataDirectory::open(path_, self_).ok());
  EXPECT_EQ(error({ClusterId(0xabd), MemberId(2), "n2"}), ErrorCode::kWrongCluster);
  EXPECT_EQ(error({ClusterId(0xabc), MemberId(1), "n1"}), ErrorCode::kWrongMember);
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
  std::ofstream(path_ / "identity") << "coord-data 2\n";
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
  const std::string text = to_text(Identity{ClusterId(1), MemberId(1), "n1"});
  const auto found = parse_identity("coord-data 9" + text.substr(text.find('\n')));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace coord::service

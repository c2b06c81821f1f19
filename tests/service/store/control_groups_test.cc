// Limits as the kernel writes them.
#include "service/store/control_groups.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "tests/temporary_directory.h"

namespace coord::service {
namespace {

class ControlGroupsTest : public testing::Test {
 protected:
  void SetUp() override { write("self", "12:cpu:/old\n0::/a/b\n"); }
  void write(const std::string& file, const std::string& text) const {
    const auto path = directory_.path() / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  ControlGroups groups() const {
    return ControlGroups(directory_.path(), directory_.path() / "self");
  }

  test::TemporaryDirectory directory_;
};

TEST_F(ControlGroupsTest, WhereNothingIsSaid_AllowAll) {
  EXPECT_EQ(groups().memory_bytes(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(groups().processors(), std::numeric_limits<double>::infinity());
}

TEST_F(ControlGroupsTest, WithNoLimit_AllowAll) {
  write("a/memory.max", "max\n");
  write("a/cpu.max", "max 100000\n");
  EXPECT_EQ(groups().memory_bytes(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(groups().processors(), std::numeric_limits<double>::infinity());
}

TEST_F(ControlGroupsTest, AllowTheLeast_OfThisOneAndThoseAbove) {
  write("memory.max", "3000\n");
  write("a/memory.max", "2000\n");
  write("a/b/memory.max", "max\n");
  write("a/other/memory.max", "1\n");
  EXPECT_EQ(groups().memory_bytes(), 2000u);
  write("cpu.max", "400000 100000\n");
  write("a/b/cpu.max", "150000 100000\n");
  EXPECT_EQ(groups().processors(), 1.5);
}

TEST_F(ControlGroupsTest, OfTheTopmostGroup_AreRead) {
  write("self", "0::/\n");
  write("memory.max", "3000\n");
  EXPECT_EQ(groups().memory_bytes(), 3000u);
}

}  // namespace
}  // namespace coord::service

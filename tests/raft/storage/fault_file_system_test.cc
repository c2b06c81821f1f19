// The double of the disk keeps its own promises: a test of the log is worth as much as they are.
#include "tests/raft/storage/fault_file_system.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace coord::raft::testing {
namespace {

using Work = FaultFileSystem::Work;

class FaultFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> create(const char* path) {
    return *files_.open(path, FileSystem::Mode::kCreateNew);
  }
  static void write(File& file, std::uint64_t offset, std::string_view text) {
    ASSERT_TRUE(file.write_at(offset, std::as_bytes(std::span(text.data(), text.size()))).ok());
  }
  std::string text(const char* path) const {
    if (!files_.exists(path)) return "(none)";
    const auto& bytes = files_.bytes(path);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // A file that is durable.
  std::unique_ptr<File> settled(const char* path, std::string_view content) {
    auto file = create(path);
    write(*file, 0, content);
    EXPECT_TRUE(file->sync().ok());
    EXPECT_TRUE(files_.sync_directory("/d").ok());
    return file;
  }

  FaultFileSystem files_;
};

TEST_F(FaultFileSystemTest, SyncedBytes_SurviveEveryPowerCut) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    files_.wipe();
    settled("/d/a", "kept");
    files_.power_cut(seed);
    EXPECT_EQ(text("/d/a"), "kept");
  }
}

TEST_F(FaultFileSystemTest, UnsyncedBytes_ArriveOrDoNot_ByTheSeed) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    files_.wipe();
    auto file = settled("/d/a", "old");
    write(*file, 0, "new");
    files_.power_cut(seed);
    seen.insert(text("/d/a"));
  }
  EXPECT_TRUE(seen.contains("old"));
  EXPECT_TRUE(seen.contains("new"));
}

TEST_F(FaultFileSystemTest, WhatIsUnderWay_IsDurable_OnlyWhenItHasFinished) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    files_.wipe();
    auto file = settled("/d/a", "old");
    files_.begin(Work::kGroup);
    write(*file, 0, "new");
    ASSERT_TRUE(file->sync().ok());
    files_.power_cut(seed);
    seen.insert(text("/d/a"));
  }
  EXPECT_TRUE(seen.contains("old"));
  EXPECT_TRUE(seen.contains("new"));

  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    files_.wipe();
    auto file = settled("/d/a", "old");
    files_.begin(Work::kGroup);
    write(*file, 0, "new");
    ASSERT_TRUE(file->sync().ok());
    files_.finish();
    files_.power_cut(seed);
    EXPECT_EQ(text("/d/a"), "new");
  }
}

TEST_F(FaultFileSystemTest, OperationsUnderWay_AreCutInTheirOrder) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    files_.wipe();
    auto file = settled("/d/a", "0");
    files_.begin(Work::kOther);
    write(*file, 0, "1");
    ASSERT_TRUE(file->sync().ok());
    ASSERT_TRUE(files_.rename("/d/a", "/d/b").ok());
    ASSERT_TRUE(files_.sync_directory("/d").ok());
    files_.power_cut(seed);
    seen.insert(text("/d/a") + " " + text("/d/b"));
  }
  // Never under its new name without its new content.
  EXPECT_EQ(seen, (std::set<std::string>{"0 (none)", "1 (none)", "(none) 1"}));
}

TEST_F(FaultFileSystemTest, KilledProcess_LosesOnlyWhatItHadNotDoneYet) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    files_.wipe();
    auto file = settled("/d/a", "..");
    write(*file, 0, "1");
    files_.begin(Work::kGroup);
    write(*file, 1, "2");
    files_.kill(seed);
    seen.insert(text("/d/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"1.", "12"}));
}

TEST_F(FaultFileSystemTest, FailedSync_LeavesBytesReadable_UntilThePowerIsCut) {
  for (const bool in_virtual_time : {false, true}) {
    files_.wipe();
    auto file = settled("/d/a", "old");
    if (in_virtual_time) files_.begin(Work::kGroup);
    write(*file, 0, "new");
    files_.fail_next_sync();
    EXPECT_FALSE(file->sync().ok());
    if (in_virtual_time) files_.finish();
    EXPECT_TRUE(file->sync().ok());
    EXPECT_EQ(text("/d/a"), "new");
    for (int i = 0; i < 5; ++i) files_.power_cut(static_cast<std::uint64_t>(i));
    EXPECT_EQ(text("/d/a"), "old");
  }
}

TEST_F(FaultFileSystemTest, FullDisk_TakesNoMore_AndKeepsWhatItHas) {
  auto file = settled("/d/a", "1234");
  files_.set_capacity(6);
  EXPECT_FALSE(file->allocate(7).ok());
  EXPECT_TRUE(file->allocate(6).ok());
  auto other = create("/d/b");
  EXPECT_FALSE(other->write_at(0, std::as_bytes(std::span("x", 1))).ok());
  EXPECT_EQ(text("/d/a").substr(0, 4), "1234");
}

TEST_F(FaultFileSystemTest, UnreadableSector_IsAnErrorThere_UntilItIsWritten) {
  auto file = settled("/d/a", "1234");
  files_.make_unreadable("/d/a", 2);
  std::array<std::byte, 2> buffer;
  EXPECT_TRUE(file->read_at(0, buffer).ok());
  EXPECT_FALSE(file->read_at(1, buffer).ok());
  write(*file, 2, "x");
  EXPECT_TRUE(file->read_at(1, buffer).ok());
}

TEST_F(FaultFileSystemTest, NewestGroup_IsTheLastThatFinished_AndWhatACrashMayHaveLeft) {
  auto file = settled("/d/a", "");
  const auto group = [&](std::uint64_t offset) {
    files_.begin(Work::kGroup);
    write(*file, offset, "gg");
  };
  group(0);
  files_.finish();
  group(2);
  files_.finish();
  EXPECT_FALSE(files_.in_newest_group("/d/a", 0, 2));
  EXPECT_TRUE(files_.in_newest_group("/d/a", 1, 2));
  group(4);
  files_.power_cut(1);
  EXPECT_TRUE(files_.in_newest_group("/d/a", 2, 1));
  EXPECT_TRUE(files_.in_newest_group("/d/a", 4, 1));
}

}  // namespace
}  // namespace coord::raft::testing

// LMDB's commits come to the disk in parts, and fail where the disk does.
#include "service/store/paced_sync.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "service/store/environment.h"
#include "tests/service/store/file_range.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

constexpr std::size_t kRecords = 2000;

class PacedSyncTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Environment::open(directory_.path(), std::size_t{1} << 30);
    ASSERT_TRUE(opened.ok());
    environment_ = std::move(*opened);
  }
  PacedSync pace() {
    return PacedSync(environment_->env(),
                     {.given = [this](std::uint64_t bytes) { given_.push_back(bytes); },
                      .written = [this](double written) { told_.push_back(written); }});
  }
  void commit_pages() {
    MDB_txn* txn = nullptr;
    lmdb_must(mdb_txn_begin(environment_->env(), nullptr, 0, &txn), "txn_begin");
    for (std::size_t i = 0; i < kRecords; ++i) {
      std::string key = fmt::format("{:08}", i);
      std::string value(3000, 'x');
      MDB_val k = val_of(key);
      MDB_val v = val_of(value);
      lmdb_must(mdb_put(txn, environment_->databases().store, &k, &v, 0), "put");
    }
    lmdb_must(mdb_txn_commit(txn), "txn_commit");
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Environment> environment_;
  std::vector<std::uint64_t> given_;  // with each write
  std::vector<double> told_;          // of its parts
};

TEST_F(PacedSyncTest, ACommit_IsWrittenInParts_AndTellsOfEach) {
  const PacedSync paced = pace();
  commit_pages();
  ASSERT_GE(told_.size(), kRecords * 4096 >> 20);
  EXPECT_LE(told_.size(), 65u);
  EXPECT_TRUE(std::is_sorted(told_.begin(), told_.end()));
  EXPECT_EQ(told_.front(), 0);
  EXPECT_GT(told_[1], 0);
  EXPECT_EQ(told_.back(), 1);
}

TEST_F(PacedSyncTest, ACommit_TellsWhatItGivesTheKernel_BeforeItsParts) {
  std::size_t writes_before = 0;
  const FileRangeHook hook([&](int, unsigned flags) {
    if (flags != 0 && writes_before == 0) {
      writes_before = given_.size();
      EXPECT_THAT(told_, testing::ElementsAre(0));
    }
    return 0;
  });
  const PacedSync paced = pace();
  commit_pages();
  EXPECT_GE(writes_before, 20u);
  const auto given = std::accumulate(given_.begin(), given_.end(), std::uint64_t{0});
  EXPECT_GE(given, kRecords * 4096);
  EXPECT_LE(given, kRecords * 4096 * 11 / 10);
  EXPECT_EQ(*std::max_element(given_.begin(), given_.end()) % 4096, 0u);
}

// LMDB writes pages that lie by themselves and pages in a row in two different ways.
TEST_F(PacedSyncTest, EveryWrite_IsTold) {
  commit_pages();
  mdb_filehandle_t file;
  ASSERT_EQ(mdb_env_get_fd(environment_->env(), &file), MDB_SUCCESS);
  constexpr off_t kAt = 100 * 4096;
  char bytes[3];
  ASSERT_EQ(::pread(file, bytes, 3, kAt), 3);
  const PacedSync paced = pace();
  EXPECT_EQ(::pwrite(file, bytes, 3, kAt), 3);
  EXPECT_EQ(::lseek(file, kAt, SEEK_SET), kAt);
  iovec pieces[] = {{bytes, 1}, {bytes + 1, 1}};
  EXPECT_EQ(::writev(file, pieces, 2), 2);
  EXPECT_THAT(given_, testing::ElementsAre(3, 2));
}

TEST_F(PacedSyncTest, OtherFilesAndThreads_AreNotPaced) {
  const PacedSync paced = pace();
  const auto path = directory_.path() / "file";
  std::ofstream(path) << std::string(std::size_t{8} << 20, 'x');
  const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::pwrite(file.get(), "x", 1, 0), 1);
  iovec piece{const_cast<char*>("x"), 1};
  EXPECT_EQ(::writev(file.get(), &piece, 1), 1);
  EXPECT_EQ(::fdatasync(file.get()), 0);
  std::thread([this] { commit_pages(); }).join();
  EXPECT_TRUE(given_.empty());
  EXPECT_TRUE(told_.empty());
}

// An error that the parts are told is not told to the sync behind them. Whatever its number is:
// file systems have all kinds.
TEST_F(PacedSyncTest, APartThatFails_FailsTheCommit) {
  for (const int error : {EIO, ENOSPC, EINVAL, EOPNOTSUPP, ENOSYS}) {
    const FileRangeHook hook([error](int, unsigned flags) { return flags == 0 ? 0 : error; });
    const PacedSync paced = pace();
    EXPECT_THROW(commit_pages(), LmdbFailure) << error;
    EXPECT_THAT(std::exchange(told_, {}), testing::ElementsAre(0));
  }
  const PacedSync paced = pace();
  commit_pages();
}

TEST_F(PacedSyncTest, WithoutSuchAThing_ACommitIsWrittenAtOnce) {
  const FileRangeHook hook([](int, unsigned) { return ENOSYS; });
  const PacedSync paced = pace();
  commit_pages();
  EXPECT_TRUE(told_.empty());
}

// In the place of the environment's file something that cannot be synced.
TEST_F(PacedSyncTest, WhatIsPaced_IsSyncedAfterwards) {
  mdb_filehandle_t file;
  ASSERT_EQ(mdb_env_get_fd(environment_->env(), &file), MDB_SUCCESS);
  const PacedSync paced = pace();
  ASSERT_EQ(::fdatasync(file), 0);
  const FileDescriptor kept(::dup(file));
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const FileDescriptor ends[] = {FileDescriptor(pipe[0]), FileDescriptor(pipe[1])};
  ASSERT_EQ(::dup2(ends[1].get(), file), file);
  EXPECT_EQ(::fdatasync(file), -1);
  EXPECT_EQ(errno, EINVAL);
  ASSERT_EQ(::dup2(kept.get(), file), file);
}

TEST_F(PacedSyncTest, WhatFails_StillDoes) {
  EXPECT_EQ(::fdatasync(-1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(::pwrite(-1, "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  iovec piece{const_cast<char*>("x"), 1};
  EXPECT_EQ(::writev(-1, &piece, 1), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_F(PacedSyncTest, WhenItIsGone_NothingIsPaced) {
  { const PacedSync paced = pace(); }
  commit_pages();
  EXPECT_TRUE(given_.empty());
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace coord::service

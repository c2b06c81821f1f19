// LMDB's commits come to the disk in parts.
#include "service/store/paced_sync.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "service/store/environment.h"
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
};

TEST_F(PacedSyncTest, ACommit_IsWrittenInParts) {
  PacedSync paced(environment_->env());
  commit_pages();
  EXPECT_GE(paced.parts(), static_cast<int>(kRecords * 4096 >> 20));
  EXPECT_LE(paced.parts(), 64);
}

TEST_F(PacedSyncTest, OtherFilesAndThreads_AreNotPaced) {
  PacedSync paced(environment_->env());
  const auto path = directory_.path() / "file";
  std::ofstream(path) << std::string(std::size_t{8} << 20, 'x');
  const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::fdatasync(file.get()), 0);
  std::thread([this] { commit_pages(); }).join();
  EXPECT_EQ(paced.parts(), 0);
}

TEST_F(PacedSyncTest, ASyncThatFails_StillDoes) {
  EXPECT_EQ(::fdatasync(-1), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST_F(PacedSyncTest, WhenItIsGone_NothingIsPaced) {
  { const PacedSync paced(environment_->env()); }
  commit_pages();
  PacedSync paced(environment_->env());
  EXPECT_EQ(paced.parts(), 0);
}

}  // namespace
}  // namespace coord::service

// What is read of a queue before anybody needs it.
#include "service/store/queue_read_ahead.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "service/store/blocks.h"
#include "tests/service/store/fixture.h"
#include "tests/service/store/page_cache.h"

namespace coord::service {
namespace {

constexpr Table kQueue = Table::kChanges;
// One to a block, two blocks to a page: some twelve MiB of them.
constexpr std::size_t kLength = 6000;
constexpr std::size_t kValueBytes = 1900;
// With two sizes of four bytes and a key of eight.
constexpr std::size_t kBlockBytes = kValueBytes + 16;
constexpr std::size_t kBlocksAhead = (QueueReadAhead::kBytes + kBlockBytes - 1) / kBlockBytes;

std::string name(std::size_t record) {
  return fmt::format("{:08}", record);
}

class QueueReadAheadTest : public testing::Test {
 protected:
  void SetUp() override {
    open();
    append(0, kLength, kValueBytes);
  }
  void open() {
    environment_.reset();
    auto opened = Environment::open(directory_.path(), std::size_t{1} << 30);
    ASSERT_TRUE(opened.ok());
    environment_ = std::move(*opened);
  }
  // With nothing of it in the page cache; how many pages that are.
  std::size_t reopen_cold() {
    const std::filesystem::path file = environment_->data_file();
    environment_.reset();
    EXPECT_TRUE(forget(file));
    open();
    return missing(file);
  }
  void append(std::size_t first, std::size_t count, std::size_t bytes) {
    MDB_txn* txn = nullptr;
    lmdb_must(mdb_txn_begin(environment_->env(), nullptr, 0, &txn), "txn_begin");
    {
      BlockWriter writer(txn, environment_->databases(), kQueue);
      for (std::size_t i = first; i < first + count; ++i) {
        writer.append(name(i), std::string(bytes, 'x'));
      }
      writer.finish();
    }
    lmdb_must(mdb_txn_commit(txn), "txn_commit");
  }
  // Waits until it has read so many; fails if they are more.
  static void expect_blocks(const QueueReadAhead& ahead, std::size_t blocks) {
    eventually([&] { return ahead.blocks_read() >= blocks; });
    // For what must not come: nothing tells that it does not. Were this too short, the test would
    // pass as well, and see less.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(ahead.blocks_read(), blocks);
  }

  TemporaryDirectory directory_;
  std::shared_ptr<Environment> environment_;
};

TEST_F(QueueReadAheadTest, BringsIn_WhatIsReadNext) {
  if (is_in_memory(environment_->data_file())) GTEST_SKIP() << "files here are in memory";
  const std::size_t before = reopen_cold();
  QueueReadAhead ahead(environment_, kQueue);
  ahead.from(name(0));
  expect_blocks(ahead, kBlocksAhead);
  const std::size_t read = before - missing(environment_->data_file());
  EXPECT_GE(read, kBlocksAhead / 2 * 9 / 10);
  EXPECT_LE(read, kBlocksAhead) << "and not much more of the file than that";
}

TEST_F(QueueReadAheadTest, GoesOn_AsFarAsTheReaderDoes) {
  QueueReadAhead ahead(environment_, kQueue);
  ahead.from(name(0));
  expect_blocks(ahead, kBlocksAhead);
  ahead.from(name(0));
  expect_blocks(ahead, kBlocksAhead);
  ahead.from(name(1000));
  expect_blocks(ahead, kBlocksAhead + 1000);
  ahead.from(name(1500));
  expect_blocks(ahead, kBlocksAhead + 1500);
}

// Whoever was faster than this does not wait for what it has passed.
TEST_F(QueueReadAheadTest, WhoIsAhead_IsFollowed) {
  QueueReadAhead ahead(environment_, kQueue);
  ahead.from(name(0));
  expect_blocks(ahead, kBlocksAhead);
  ahead.from(name(5000));
  expect_blocks(ahead, kBlocksAhead + 1000);
}

TEST_F(QueueReadAheadTest, AtTheEnd_ItWaitsForMore) {
  QueueReadAhead ahead(environment_, kQueue);
  ahead.from(name(kLength - 100));
  expect_blocks(ahead, 100);
  ahead.from(name(kLength - 10));
  expect_blocks(ahead, 100);
  append(kLength, 50, kValueBytes);
  ahead.from(name(kLength));
  expect_blocks(ahead, 150);
  ahead.from(name(2 * kLength));
  expect_blocks(ahead, 150);
}

// Nobody needs more of them to compact them and to take them off.
TEST_F(QueueReadAheadTest, OfLargeRecords_TheFirstPageIsRead) {
  constexpr std::size_t kLarge = 50;
  append(kLength, kLarge, std::size_t{1} << 20);
  if (is_in_memory(environment_->data_file())) GTEST_SKIP() << "files here are in memory";
  const std::size_t before = reopen_cold();
  QueueReadAhead ahead(environment_, kQueue);
  ahead.from(name(kLength));
  expect_blocks(ahead, kLarge);
  const std::size_t read = before - missing(environment_->data_file());
  EXPECT_GE(read, kLarge);
  EXPECT_LE(read, 2 * kLarge);
}

// And nothing of it is used afterwards.
TEST_F(QueueReadAheadTest, MayGoAtAnyTime) {
  for (int i = 0; i < 50; ++i) {
    QueueReadAhead ahead(environment_, kQueue);
    ahead.from(name(0));
    // Not a wait for something, but the thing that is varied: where in its work it is ended.
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100 * i));
  }
  EXPECT_EQ(environment_.use_count(), 1);
}

}  // namespace
}  // namespace coord::service

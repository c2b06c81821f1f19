#include <gtest/gtest.h>

#include "raft/node/durable_log.h"
#include "tests/raft/node/fakes.h"
#include "tests/raft/storage/fault_file_system.h"

namespace coord::raft::testing {
namespace {

class RestoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> open() {
    auto opened = Log::open(files_, {.directory = "/log",
                                     .cluster = kCluster,
                                     .member = MemberId(1),
                                     .segment_bytes = 16 * limits::kKiB,
                                     .first_segment_bytes = 16 * limits::kKiB,
                                     .prepare_in_background = false});
    return std::move(opened).value();
  }
  // Entries 1..through, the first ten of term 1 and the rest of term 2; the hard state has term 2.
  void fill(std::uint64_t through) {
    auto log = open();
    Durable batch;
    batch.hard_state = HardState{.term = Term(2), .vote = MemberId(3)};
    for (std::uint64_t i = 1; i <= through; ++i) {
      batch.append.push_back({.id = at(i <= 10 ? 1 : 2, i),
                              .type = EntryType::kCommand,
                              .payload = Bytes::copy_of(std::string(1000, 'x'))});
    }
    ASSERT_TRUE(log->write({&batch, 1}).ok());
  }
  ErrorCode refusal(LogId applied) {
    auto log = open();
    const auto restored = restore(*log, applied, voters({1}));
    return restored.ok() ? ErrorCode::kInternal : restored.error().code;
  }

  FaultFileSystem files_;
};

TEST_F(RestoreTest, FreshMember_StartsFromNothing) {
  auto log = open();
  const auto restored = restore(*log, {}, voters({1}));
  ASSERT_TRUE(restored.ok());
  EXPECT_TRUE(restored->entries.empty());
  EXPECT_EQ(restored->first_index, Index(1));
}

TEST_F(RestoreTest, EntriesAfterTheState_AreReplayed_AllOfThem) {
  fill(30);
  auto log = open();
  const auto restored = restore(*log, at(1, 7), voters({1}));
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  ASSERT_EQ(restored->entries.size(), 23u);
  EXPECT_EQ(restored->entries.front().id, at(1, 8));
  EXPECT_EQ(restored->entries.back().id, at(2, 30));
  EXPECT_EQ(restored->hard_state, (HardState{.term = Term(2), .vote = MemberId(3)}));
}

TEST_F(RestoreTest, StateAtTheEndOfTheLog_NeedsNoEntries) {
  fill(30);
  auto log = open();
  const auto restored = restore(*log, at(2, 30), voters({1}));
  ASSERT_TRUE(restored.ok());
  EXPECT_TRUE(restored->entries.empty());
}

TEST_F(RestoreTest, LogThatWasCutUpToTheState_IsFine) {
  fill(100);
  const Index first = *open()->cut(Index(90));
  ASSERT_GT(first, Index(1));
  auto log = open();
  EXPECT_TRUE(restore(*log, at(first.prev() <= Index(10) ? 1 : 2, first.value() - 1), {}).ok());
}

TEST_F(RestoreTest, LogThatEndsBeforeTheState_IsRefused) {
  EXPECT_EQ(refusal(at(1, 1)), ErrorCode::kCorrupt);  // an empty one, because it was lost
  fill(30);
  EXPECT_EQ(refusal(at(2, 31)), ErrorCode::kCorrupt);
}

TEST_F(RestoreTest, LogThatBeginsBehindTheState_IsRefused) {
  fill(100);
  const Index first = *open()->cut(Index(90));
  EXPECT_EQ(refusal(at(2, first.value() - 2)), ErrorCode::kCorrupt);
}

TEST_F(RestoreTest, AnotherEntryWhereTheStateEnds_IsRefused) {
  fill(30);
  EXPECT_EQ(refusal(at(2, 7)), ErrorCode::kCorrupt);
  EXPECT_EQ(refusal(at(1, 30)), ErrorCode::kCorrupt);
}

// A crash between the installation of a snapshot and the log's new beginning.
TEST_F(RestoreTest, LogThatDoesNotReachAnInstalledSnapshot_BeginsAnew) {
  fill(30);
  // Behind the log's end; and an entry that the log has another one of.
  for (const LogId installed : {at(5, 500), at(6, 600), at(7, 20)}) {
    auto log = open();
    const auto restored = restore(*log, installed, voters({1}), installed);
    if (installed.index < log->recovered().first_index) {
      EXPECT_FALSE(restored.ok());  // the log goes back before the newest snapshot: never
      continue;
    }
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    EXPECT_TRUE(restored->entries.empty());
    EXPECT_EQ(restored->first_index, installed.index.next());
    EXPECT_GE(restored->hard_state.term, installed.term);
    log.reset();
    EXPECT_EQ(open()->recovered().last, installed);
    EXPECT_GE(open()->recovered().hard_state.term, installed.term);
  }
}

TEST_F(RestoreTest, LogThatHasAnInstalledSnapshotsEntry_IsKept) {
  fill(30);
  auto log = open();
  const auto restored = restore(*log, at(2, 20), voters({1}), at(2, 20));
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_EQ(restored->entries.size(), 10u);
  EXPECT_EQ(restored->hard_state, (HardState{.term = Term(2), .vote = MemberId(3)}));
}

// Once it has taken something in, the state is like any other.
TEST_F(RestoreTest, StateBeyondItsSnapshot_HasToBeInTheLog) {
  fill(30);
  auto log = open();
  EXPECT_EQ(restore(*log, at(2, 31), voters({1}), at(2, 25)).error().code, ErrorCode::kCorrupt);
}

TEST_F(RestoreTest, EntriesOfATermThatThisMemberNeverSaw_AreRefused) {
  Durable batch;
  batch.append.push_back({.id = at(5, 1), .type = EntryType::kNoop, .payload = {}});
  ASSERT_TRUE(open()->write({&batch, 1}).ok());
  EXPECT_EQ(refusal({}), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace coord::raft::testing

#include <gtest/gtest.h>

#include "tests/raft/storage/fault_file_system.h"
#include "tests/raft/storage/log_fixture.h"

namespace coord::raft::testing {
namespace {

class LogTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> open() {
    auto opened = Log::open(files_, options_);
    if (!opened.ok()) {
      ADD_FAILURE() << opened.error().message;
      return nullptr;
    }
    return std::move(*opened);
  }
  void write(Log& log, const std::vector<Durable>& batches) {
    const Status written = log.write(batches);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  std::size_t segments() {
    std::size_t count = 0;
    for (const std::string& name : *files_.list(options_.directory)) {
      if (parse_segment_name(name)) ++count;
    }
    return count;
  }

  FaultFileSystem files_;
  LogOptions options_ = small_segments();
};

TEST_F(LogTest, FreshLog_IsEmpty_AndStaysSo) {
  for (int i = 0; i < 2; ++i) {
    auto log = open();
    EXPECT_EQ(log->recovered().hard_state, HardState{});
    EXPECT_EQ(log->recovered().first_index, Index(1));
    EXPECT_EQ(log->recovered().last, LogId{});
  }
}

TEST_F(LogTest, Entries_AndHardState_AreThereAfterReopening) {
  write(*open(), {hard_state(1, 2), append(entries(1, 1, 3)), append(entries(1, 4, 4))});
  auto log = open();
  EXPECT_EQ(log->recovered().hard_state, (HardState{.term = Term(1), .vote = MemberId(2)}));
  EXPECT_EQ(log->recovered().last, at(1, 4));
  EXPECT_EQ(read_all(*log, Index(1), Index(4)), entries(1, 1, 4));
}

TEST_F(LogTest, OneWrite_IsOneSync_HoweverManyBatches) {
  auto log = open();
  const auto before = files_.operations();
  write(*log, {hard_state(1, 2), append(entries(1, 1, 3)), append(entries(1, 4, 9))});
  EXPECT_EQ(files_.operations() - before, 2u);  // a write and a sync
}

TEST_F(LogTest, EmptyPayload_AndEveryType_SurviveReopening) {
  std::vector<Entry> list = entries(1, 1, 3);
  list[0].type = EntryType::kNoop;
  list[0].payload = {};
  list[1].type = EntryType::kConfiguration;
  write(*open(), {append(list)});
  EXPECT_EQ(read_all(*open(), Index(1), Index(3)), list);
}

TEST_F(LogTest, ManySegments_ReadAsOneLog) {
  {
    auto log = open();
    for (std::uint64_t i = 1; i <= 200; ++i) write(*log, {append({entry(1, i, 500)})});
    EXPECT_GT(segments(), 5u);
    EXPECT_EQ(read_all(*log, Index(1), Index(200)), entries(1, 1, 200, 500));
  }
  auto log = open();
  EXPECT_EQ(read_all(*log, Index(1), Index(200), 100'000), entries(1, 1, 200, 500));
  write(*log, {append({entry(1, 201)})});
  EXPECT_EQ(open()->recovered().last, at(1, 201));
}

TEST_F(LogTest, OneBatch_LargerThanASegment_IsSpreadOverSeveral) {
  write(*open(), {hard_state(1, 1), append(entries(1, 1, 100, 500))});
  auto log = open();
  EXPECT_GT(segments(), 3u);
  EXPECT_EQ(read_all(*log, Index(1), Index(100)), entries(1, 1, 100, 500));
}

TEST_F(LogTest, Entry_LargerThanASegment_GetsASegmentOfItsOwn) {
  write(*open(), {append({entry(1, 1, 100), entry(1, 2, 100'000), entry(1, 3, 100)})});
  auto log = open();
  EXPECT_EQ(read_all(*log, Index(2), Index(2), 1)[0], entry(1, 2, 100'000));
  EXPECT_EQ(log->recovered().last, at(1, 3));
}

TEST_F(LogTest, Read_StopsBeforeTheBound_ButHandsOverOneEntry) {
  auto log = open();
  write(*log, {append(entries(1, 1, 10, 100))});
  EXPECT_EQ(log->read(Index(3), Index(10), 250)->entries.size(), 2u);
  EXPECT_EQ(log->read(Index(3), Index(10), 300)->entries.size(), 3u);
  EXPECT_EQ(log->read(Index(3), Index(10), 1)->entries.size(), 1u);
  EXPECT_EQ(log->read(Index(3), Index(4), 10'000)->entries.size(), 2u);
  EXPECT_EQ(log->read(Index(3), Index(4), 10'000)->previous, at(1, 2));
}

TEST_F(LogTest, Read_OutsideOfTheLog_IsRefused_AndNotFinal) {
  auto log = open();
  write(*log, {append(entries(1, 1, 3))});
  EXPECT_EQ(log->read(Index(4), Index(4), 10).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(log->read(Index(0), Index(4), 10).error().code, ErrorCode::kCompacted);
  EXPECT_TRUE(log->read(Index(1), Index(9), 10).ok());
  write(*log, {append({entry(1, 4)})});
}

TEST_F(LogTest, Truncation_HidesTheOldEntries_NowAndAfterReopening) {
  auto log = open();
  write(*log, {append(entries(1, 1, 10))});
  write(*log, {replace(6, entries(2, 6, 7))});
  const auto expected = [] {
    auto list = entries(1, 1, 5);
    for (Entry& one : entries(2, 6, 7)) list.push_back(one);
    return list;
  }();
  EXPECT_EQ(read_all(*log, Index(1), Index(7)), expected);
  EXPECT_EQ(log->read(Index(6), Index(6), 10)->previous, at(1, 5));
  log = open();
  EXPECT_EQ(log->recovered().last, at(2, 7));
  EXPECT_EQ(read_all(*log, Index(1), Index(7)), expected);
}

TEST_F(LogTest, TwoTruncations_TheSecondFurtherBack_LeaveWhatIsCommonToBoth) {
  auto log = open();
  for (std::uint64_t i = 1; i <= 60; ++i) write(*log, {append({entry(1, i, 500)})});
  write(*log, {replace(50, entries(2, 50, 70, 500))});
  write(*log, {replace(20, entries(3, 20, 21, 500))});
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read_all(*log, Index(20), Index(21)), entries(3, 20, 21, 500));
    EXPECT_EQ(read_all(*log, Index(1), Index(19)), entries(1, 1, 19, 500));
    log = open();
    EXPECT_EQ(log->recovered().last, at(3, 21));
  }
}

TEST_F(LogTest, TruncationOfEverything_LeavesAnEmptyLog) {
  write(*open(), {append(entries(1, 1, 3)), replace(1, {})});
  auto log = open();
  EXPECT_EQ(log->recovered().last, LogId{});
  write(*log, {append(entries(4, 1, 1))});
  EXPECT_EQ(read_all(*open(), Index(1), Index(1)), entries(4, 1, 1));
}

TEST_F(LogTest, Cut_RemovesWholeSegments_AndKeepsTheRest) {
  auto log = open();
  write(*log, {hard_state(3, 5)});
  for (std::uint64_t i = 1; i <= 100; ++i) write(*log, {append({entry(1, i, 500)})});
  const auto before = segments();
  const Index first = *log->cut(Index(70));
  EXPECT_LE(first, Index(71));
  EXPECT_GT(first, Index(30));
  EXPECT_LT(segments(), before);
  EXPECT_EQ(log->read(first.prev(), first, 10).error().code, ErrorCode::kCompacted);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read_all(*log, first, Index(100)), entries(1, first.value(), 100, 500));
    EXPECT_EQ(log->read(first, first, 10)->previous, at(1, first.value() - 1));
    log = open();
    EXPECT_EQ(log->recovered().first_index, first);
    EXPECT_EQ(log->recovered().hard_state, (HardState{.term = Term(3), .vote = MemberId(5)}));
  }
}

TEST_F(LogTest, CutOfEverything_KeepsThePositionAndTheHardState) {
  auto log = open();
  write(*log, {hard_state(3, 5)});
  for (std::uint64_t i = 1; i <= 30; ++i) write(*log, {append({entry(2, i, 500)})});
  const Index first = *log->cut(Index(30));
  log = open();
  EXPECT_EQ(log->recovered().first_index, first);
  EXPECT_EQ(log->recovered().last, at(2, 30));
  EXPECT_EQ(log->recovered().hard_state, (HardState{.term = Term(3), .vote = MemberId(5)}));
}

// The segment with the entries is gone, the marker that took the last of them back is not.
TEST_F(LogTest, TruncationBehindACut_MovesTheBeginningBack) {
  auto log = open();
  for (std::uint64_t i = 1; i <= 60; ++i) write(*log, {append({entry(1, i, 500)})});
  write(*log, {replace(41, {})});
  for (std::uint64_t i = 41; i <= 100; ++i) write(*log, {append({entry(2, i, 500)})});
  const Index first = *log->cut(Index(45));
  EXPECT_EQ(first, Index(41));
  EXPECT_EQ(read_all(*log, first, Index(100)), entries(2, 41, 100, 500));
  log = open();
  EXPECT_EQ(log->recovered().first_index, Index(41));
  EXPECT_EQ(log->read(Index(41), Index(41), 10)->previous, at(1, 40));
  EXPECT_EQ(read_all(*log, first, Index(100)), entries(2, 41, 100, 500));
}

TEST_F(LogTest, CutSegments_AreUsedAgain_AndTheirOldRecordsNeverShow) {
  auto log = open();
  for (std::uint64_t i = 1; i <= 500; ++i) {
    write(*log, {append({entry(1, i, 500)})});
    ASSERT_TRUE(log->cut(Index(i)).ok());
    if (i % 7 == 0) {
      log = open();
      ASSERT_EQ(log->recovered().last, at(1, i));
    }
  }
  EXPECT_LE(files_.list("/log")->size(), 4u);  // one segment, and spares
}

TEST_F(LogTest, FailedOperation_IsFinal) {
  for (std::uint64_t n = 0; n < 2; ++n) {  // the write, the sync
    files_ = {};
    auto log = open();
    write(*log, {append(entries(1, 1, 3))});
    files_.fail_operation(n);
    const std::vector<Durable> batch = {append(entries(1, 4, 5))};
    EXPECT_EQ(log->write(batch).error().code, ErrorCode::kIo);
    EXPECT_EQ(log->write({}).error().code, ErrorCode::kIo);
    EXPECT_EQ(log->read(Index(1), Index(1), 10).error().code, ErrorCode::kIo);
    EXPECT_EQ(log->cut(Index(1)).error().code, ErrorCode::kIo);
    files_.power_cut(n);
    EXPECT_EQ(open()->recovered().last, at(1, 3));
  }
}

// Records of the torn group would fit exactly behind the new ones, and be the next entries.
TEST_F(LogTest, RepairedTail_DoesNotComeBack_WhenTheLogGrowsUpToIt) {
  constexpr std::size_t kPayload = 1024 - kRecordHeaderBytes;  // four records are one block
  const auto path = options_.directory / segment_name(1);
  write(*open(), {append(entries(1, 1, 8, kPayload))});
  files_.flip(path, kBlockBytes + 100);
  {
    auto log = open();
    EXPECT_EQ(log->recovered().last, LogId{});
    write(*log, {append(entries(1, 1, 4, kPayload))});
  }
  EXPECT_EQ(open()->recovered().last, at(1, 4));
}

TEST_F(LogTest, KilledProcess_ReopensWhatItWrote_AndMakesItDurable) {
  auto log = open();
  files_.stop_at_operation(1);  // the sync
  const std::vector<Durable> batch = {append(entries(1, 1, 3))};
  EXPECT_FALSE(log->write(batch).ok());
  files_.kill();
  EXPECT_EQ(open()->recovered().last, at(1, 3));
  files_.power_cut(0);
  EXPECT_EQ(open()->recovered().last, at(1, 3));
}

}  // namespace
}  // namespace coord::raft::testing

// One test for each row of raft/storage/recovery.md, under the row's name.
#include <gtest/gtest.h>

#include <array>

#include "raft/base/hash.h"
#include "tests/raft/storage/fault_file_system.h"
#include "tests/raft/storage/log_fixture.h"

namespace coord::raft::testing {
namespace {

class LogRecovery : public ::testing::Test {
 protected:
  // A payload with which a record takes 512 bytes, a sector.
  static constexpr std::size_t kSector = 512;
  static constexpr std::size_t kPayload = kSector - kRecordHeaderBytes;

  std::filesystem::path segment(std::uint64_t number) {
    return options_.directory / segment_name(number);
  }
  std::unique_ptr<Log> open() {
    auto opened = Log::open(files_, options_);
    if (!opened.ok()) {
      ADD_FAILURE() << opened.error().message;
      return nullptr;
    }
    return std::move(*opened);
  }
  // Refused, with the file, the offset and a remedy, and nothing was changed.
  void expect_refusal(std::uint64_t number, std::uint64_t offset, std::string_view what) {
    const auto before = files_.operations();
    const auto opened = Log::open(files_, options_);
    ASSERT_FALSE(opened.ok());
    const std::string& message = opened.error().message;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(message.find(segment(number).string()), 0u) << message;
    EXPECT_NE(message.find("offset " + std::to_string(offset) + ":"), std::string::npos) << message;
    EXPECT_NE(message.find(what), std::string::npos) << message;
    EXPECT_NE(message.find("remove the member"), std::string::npos) << message;
    EXPECT_EQ(files_.operations(), before);
  }
  void write(Log& log, const std::vector<Durable>& batches) {
    const Status written = log.write(batches);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  // One group for each of the entries, so that a record takes a sector of its own.
  void write_singly(Log& log, std::uint64_t from, std::uint64_t through) {
    for (std::uint64_t i = from; i <= through; ++i) write(log, {append({entry(1, i, kPayload)})});
  }
  // Where the i-th record of a segment is, if all before it take a sector.
  static std::uint64_t record(std::uint64_t i) { return kBlockBytes + (i - 1) * kSector; }
  // What does not fit into the first segment: three blocks of records.
  static constexpr std::uint64_t kPerSegment = 3 * kBlockBytes / kSector;
  bool all_zero(std::uint64_t number, std::uint64_t from) {
    const auto& bytes = files_.bytes(segment(number));
    return std::all_of(bytes.begin() + static_cast<long>(from), bytes.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
  }

  FaultFileSystem files_;
  LogOptions options_ = small_segments();
};

TEST_F(LogRecovery, EmptyDirectory) {
  auto log = open();
  EXPECT_EQ(log->recovered().last, LogId{});
  EXPECT_TRUE(files_.exists(segment(1)));
}

TEST_F(LogRecovery, OnlySparesAndHalfMadeFiles) {
  for (const auto& [name, size] :
       {std::pair{"3.spare", options_.segment_bytes}, std::pair{"4.spare", std::size_t{100}},
        std::pair{"spare.tmp", std::size_t{100}}}) {
    auto file = files_.open(options_.directory / name, FileSystem::Mode::kCreateNew);
    ASSERT_TRUE((*file)->allocate(size).ok());
  }
  auto log = open();
  EXPECT_EQ(*files_.list(options_.directory),
            (std::vector<std::string>{segment_name(1), "3.spare"}));
  write_singly(*log, 1, kPerSegment + 1);
  EXPECT_FALSE(files_.exists(options_.directory / "3.spare"));  // became segment 2
  EXPECT_EQ(open()->recovered().last, at(1, kPerSegment + 1));
}

TEST_F(LogRecovery, HardStateOnly) {
  write(*open(), {hard_state(4, 2)});
  EXPECT_EQ(open()->recovered().hard_state, (HardState{.term = Term(4), .vote = MemberId(2)}));
  EXPECT_EQ(open()->recovered().last, LogId{});
}

TEST_F(LogRecovery, CleanEnd) {
  write_singly(*open(), 1, 3);
  const auto before = files_.operations();
  EXPECT_EQ(open()->recovered().last, at(1, 3));
  // The last group again, and the syncs of the segment and the directory.
  EXPECT_EQ(files_.operations() - before, 3u);
}

// The process ends with the error; its next life reads what the cache still has.
TEST_F(LogRecovery, SyncThatFailed) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    files_.wipe();
    {
      auto log = open();
      write_singly(*log, 1, 3);
      files_.fail_next_sync();
      const std::vector<Durable> group = {append(entries(1, 4, 6, kPayload))};
      ASSERT_FALSE(log->write(group).ok());
    }
    files_.kill();
    const LogId last = open()->recovered().last;
    files_.power_cut(seed);
    EXPECT_EQ(open()->recovered().last, last);
  }
}

TEST_F(LogRecovery, SegmentThatBecameShorter) {
  write_singly(*open(), 1, kPerSegment + 4);
  files_.shorten(segment(2), record(3));
  expect_refusal(2, record(3), "should have");
}

// A file that is used again has become shorter meanwhile: the log says so before it uses it.
TEST_F(LogRecovery, SpareThatBecameShorter) {
  auto log = open();
  write_singly(*log, 1, 2 * kPerSegment + 1);
  ASSERT_TRUE(log->cut(Index(2 * kPerSegment)).ok());
  const auto names = *files_.list(options_.directory);
  for (const std::string& name : names) {
    if (name.ends_with(".spare")) files_.shorten(options_.directory / name, kSector);
  }
  Status written;
  for (std::uint64_t i = 2 * kPerSegment + 2; written.ok() && i < 4 * kPerSegment; ++i) {
    written = log->write(std::vector{append({entry(1, i, kPayload)})});
  }
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Log::open(files_, options_).ok());
}

TEST_F(LogRecovery, EndInAFileUsedBefore) {
  {
    auto log = open();
    write_singly(*log, 1, 2 * kPerSegment + 1);
    ASSERT_TRUE(log->cut(Index(2 * kPerSegment)).ok());  // leaves spares full of records
    write_singly(*log, 2 * kPerSegment + 2, 3 * kPerSegment + 1);
  }
  EXPECT_FALSE(all_zero(4, record(9)));
  auto log = open();
  EXPECT_EQ(log->recovered().last, at(1, 3 * kPerSegment + 1));
  EXPECT_TRUE(all_zero(4, record(2)));
  write_singly(*log, 3 * kPerSegment + 2, 3 * kPerSegment + 2);
  EXPECT_EQ(open()->recovered().last, at(1, 3 * kPerSegment + 2));
}

TEST_F(LogRecovery, TornTail) {
  write_singly(*open(), 1, 3);
  files_.flip(segment(1), record(3) + 100);
  {
    auto log = open();
    EXPECT_EQ(log->recovered().last, at(1, 2));
    EXPECT_TRUE(all_zero(1, record(3)));
    write_singly(*log, 3, 4);
  }
  EXPECT_EQ(read_all(*open(), Index(1), Index(4)), entries(1, 1, 4, kPayload));
}

TEST_F(LogRecovery, TornGroup_WithLaterPartsIntact) {
  {
    auto log = open();
    write_singly(*log, 1, 2);
    write(*log, {append(entries(1, 3, 6, kPayload))});
  }
  files_.flip(segment(1), record(4) + 100);
  EXPECT_EQ(open()->recovered().last, at(1, 3));
  EXPECT_TRUE(all_zero(1, record(4)));
}

TEST_F(LogRecovery, TornTail_RepairIsInterrupted) {
  for (std::uint64_t operation = 0; operation < 3; ++operation) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      files_ = {};
      {
        auto log = open();
        write_singly(*log, 1, 2);
        write(*log, {append(entries(1, 3, 20, kPayload))});
      }
      files_.flip(segment(1), record(3) + 100);
      files_.stop_at_operation(operation);
      EXPECT_FALSE(Log::open(files_, options_).ok());
      files_.power_cut(seed);
      EXPECT_EQ(open()->recovered().last, at(1, 2));
      EXPECT_TRUE(all_zero(1, record(3)));
    }
  }
}

TEST_F(LogRecovery, DamagedRecord_WithLaterGroupsBehindIt) {
  write_singly(*open(), 1, 5);
  // Every part of a record: checksums, length, type, payload.
  for (const std::uint64_t byte : {0, 8, 13, 20, 24, 100}) {
    files_.flip(segment(1), record(3) + byte);
    expect_refusal(1, record(3), "was written after it");
    files_.flip(segment(1), record(3) + byte);
  }
  EXPECT_EQ(open()->recovered().last, at(1, 5));
}

TEST_F(LogRecovery, DamagedRecord_InAnOlderSegment) {
  write_singly(*open(), 1, kPerSegment + 1);
  files_.flip(segment(1), record(kPerSegment) + 100);  // its last one: nothing is behind it there
  expect_refusal(1, record(kPerSegment), "damaged");
}

TEST_F(LogRecovery, DamagedHeader) {
  write_singly(*open(), 1, kPerSegment + 1);
  for (const std::uint64_t number : {1, 2}) {
    for (const std::uint64_t byte : {0, 8, 17, 44, 4090}) {
      files_.flip(segment(number), byte);
      expect_refusal(number, 0, byte == 0 ? "no segment" : "header is damaged");
      files_.flip(segment(number), byte);
    }
  }
}

TEST_F(LogRecovery, UnknownVersion) {
  write_singly(*open(), 1, 1);
  // A whole header, as a later version would have written it.
  std::array<std::byte, kBlockBytes> block;
  const auto& bytes = files_.bytes(segment(1));
  std::copy_n(bytes.begin(), block.size(), block.begin());
  block[8] = std::byte{2};
  const std::uint64_t checksum = hash64(std::span(block).first(kBlockBytes - 8));
  std::memcpy(block.data() + kBlockBytes - 8, &checksum, 8);
  files_.overwrite(segment(1), 0, block);
  const auto opened = Log::open(files_, options_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(opened.error().message.find("version 2"), std::string::npos);
}

TEST_F(LogRecovery, SegmentOfAnotherCluster) {
  open();
  options_.cluster = ClusterId(99);
  EXPECT_EQ(Log::open(files_, options_).error().code, ErrorCode::kWrongCluster);
}

TEST_F(LogRecovery, SegmentOfAnotherMember) {
  open();
  options_.member = MemberId(99);
  EXPECT_EQ(Log::open(files_, options_).error().code, ErrorCode::kWrongMember);
}

TEST_F(LogRecovery, MissingSegment) {
  write_singly(*open(), 1, 3 * kPerSegment);
  files_.forget(segment(2));
  expect_refusal(2, 0, "missing");
}

TEST_F(LogRecovery, SegmentUnderAnotherName) {
  write_singly(*open(), 1, kPerSegment + 1);
  files_.copy(segment(2), segment(3));
  expect_refusal(3, 0, "was segment");
}

TEST_F(LogRecovery, SegmentFromAnOlderCopy) {
  // Two lives of the same log that differ in one entry of the first segment.
  const auto live = [&](std::uint64_t term) {
    files_ = {};
    auto log = open();
    write_singly(*log, 1, kPerSegment - 1);
    write(*log, {append(entries(term, kPerSegment, kPerSegment + 1, kPayload))});
    return files_.bytes(segment(2));
  };
  const std::vector<std::byte> older = live(1);
  live(2);
  files_.overwrite(segment(2), 0, older);
  expect_refusal(2, 0, "does not continue");
}

TEST_F(LogRecovery, ImpossibleRecord) {
  open();
  std::vector<std::byte> record;
  append_record(record, {.type = RecordType::kEntry, .first = 1, .second = 7},
                first_seed(kCluster, kMember), kBlockBytes);
  files_.overwrite(segment(1), kBlockBytes, record);
  expect_refusal(1, kBlockBytes, "entry 7@1 after entry 0@0");
}

// The group that needs a new segment is under way when the power fails, at every operation.
TEST_F(LogRecovery, CrashDuringRotation) {
  int lost = 0;
  int kept = 0;
  for (std::uint64_t operation = 0; operation < 12; ++operation) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      files_ = {};
      auto log = open();
      write_singly(*log, 1, kPerSegment);
      files_.stop_at_operation(operation);
      const std::vector<Durable> batch = {append({entry(1, kPerSegment + 1, kPayload)})};
      const bool written = log->write(batch).ok();
      files_.power_cut(seed);
      log = open();
      const LogId last = log->recovered().last;
      EXPECT_TRUE(last == at(1, kPerSegment + 1) || (!written && last == at(1, kPerSegment)));
      ++(last.index == Index(kPerSegment) ? lost : kept);
      write_singly(*log, last.index.value() + 1, 2 * kPerSegment + 5);
      EXPECT_EQ(open()->recovered().last, at(1, 2 * kPerSegment + 5));
    }
  }
  EXPECT_GT(lost, 20);
  EXPECT_GT(kept, 20);
}

TEST_F(LogRecovery, CrashDuringCut) {
  for (std::uint64_t operation = 0; operation < 8; ++operation) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      files_ = {};
      auto log = open();
      write_singly(*log, 1, 5 * kPerSegment);
      files_.stop_at_operation(operation);
      static_cast<void>(log->cut(Index(4 * kPerSegment)).ok());
      files_.power_cut(seed);
      log = open();
      const Index first = log->recovered().first_index;
      EXPECT_LE(first, Index(4 * kPerSegment + 1));
      EXPECT_EQ(read_all(*log, first, Index(5 * kPerSegment)),
                entries(1, first.value(), 5 * kPerSegment, kPayload));
    }
  }
}

TEST_F(LogRecovery, CrashDuringOpen) {
  for (std::uint64_t operation = 0; operation < 10; ++operation) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      files_ = {};
      files_.stop_at_operation(operation);
      static_cast<void>(Log::open(files_, options_).ok());
      files_.power_cut(seed);
      write_singly(*open(), 1, 1);
      EXPECT_EQ(open()->recovered().last, at(1, 1));
    }
  }
}

TEST_F(LogRecovery, Truncation) {
  write(*open(), {append(entries(1, 1, 3 * kPerSegment, kPayload)), replace(5, {entry(2, 5)})});
  auto log = open();
  EXPECT_EQ(log->recovered().last, at(2, 5));
  EXPECT_EQ(read_all(*log, Index(5), Index(5)), entries(2, 5, 5));
}

TEST_F(LogRecovery, TwoTruncations) {
  write(*open(), {append(entries(1, 1, 9)), replace(7, entries(2, 7, 20)), replace(3, {})});
  auto log = open();
  EXPECT_EQ(log->recovered().last, at(1, 2));
  EXPECT_EQ(log->read(Index(3), Index(3), 1).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(LogRecovery, TruncationReachingBeforeTheCut) {
  {
    auto log = open();
    write_singly(*log, 1, kPerSegment);
    write(*log, {replace(kPerSegment - 1, {})});  // begins segment 2
    write(*log, {append(entries(2, kPerSegment - 1, kPerSegment + 30, kPayload))});
    EXPECT_EQ(*log->cut(Index(kPerSegment - 2)), Index(kPerSegment - 1));
  }
  auto log = open();
  EXPECT_FALSE(files_.exists(segment(1)));
  EXPECT_EQ(log->recovered().first_index, Index(kPerSegment - 1));
  EXPECT_EQ(log->read(Index(kPerSegment - 1), Index(kPerSegment - 1), 1)->previous,
            at(1, kPerSegment - 2));
}

TEST_F(LogRecovery, Reset) {
  {
    auto log = open();
    write(*log, {hard_state(4, 2), append(entries(1, 1, 9)), reset(at(3, 20))});
    EXPECT_EQ(log->read(Index(20), Index(20), 1).error().code, ErrorCode::kCompacted);
    write(*log, {append(entries(3, 21, 23))});
    EXPECT_EQ(read_all(*log, Index(21), Index(23)), entries(3, 21, 23));
  }
  auto log = open();
  EXPECT_EQ(log->recovered().first_index, Index(21));
  EXPECT_EQ(log->recovered().hard_state, (HardState{.term = Term(4), .vote = MemberId(2)}));
  EXPECT_EQ(log->read(Index(21), Index(21), 1)->previous, at(3, 20));
  EXPECT_EQ(read_all(*log, Index(21), Index(23)), entries(3, 21, 23));
}

TEST_F(LogRecovery, ResetBeforeItsSegmentsAreCut) {
  {
    auto log = open();
    write_singly(*log, 1, 2 * kPerSegment + 2);
    write(*log, {reset(at(3, 100)), append(entries(3, 101, 130, kPayload))});
  }
  {
    auto log = open();
    EXPECT_TRUE(files_.exists(segment(1)));
    EXPECT_EQ(log->recovered().first_index, Index(101));
    EXPECT_EQ(read_all(*log, Index(101), Index(130)), entries(3, 101, 130, kPayload));
    EXPECT_EQ(*log->cut(Index(100)), Index(101));
    EXPECT_FALSE(files_.exists(segment(1)));
    EXPECT_FALSE(files_.exists(segment(2)));
  }
  EXPECT_EQ(read_all(*open(), Index(101), Index(130)), entries(3, 101, 130, kPayload));
}

TEST_F(LogRecovery, ResetBehindTheLogsEnd) {
  write(*open(), {append(entries(1, 1, 3)), reset(at(1, 9))});
  EXPECT_EQ(open()->recovered().last, at(1, 9));
  EXPECT_EQ(open()->recovered().first_index, Index(10));
}

TEST_F(LogRecovery, ResetIntoTheLog) {
  {
    auto log = open();
    write(*log, {append(entries(1, 1, 9)), reset(at(2, 5)), append(entries(2, 6, 7))});
    // Back to where it began, and no further.
    write(*log, {replace(6, entries(3, 6, 8))});
  }
  auto log = open();
  EXPECT_EQ(log->recovered().first_index, Index(6));
  EXPECT_EQ(read_all(*log, Index(6), Index(8)), entries(3, 6, 8));
}

TEST_F(LogRecovery, ResetReachingBeforeTheCut) {
  {
    auto log = open();
    write_singly(*log, 1, kPerSegment + 2);  // segment 2 begins after kPerSegment
    write(*log, {reset(at(2, kPerSegment - 2))});
    EXPECT_EQ(*log->cut(Index(kPerSegment - 2)), Index(kPerSegment - 1));
    write(*log, {append(entries(2, kPerSegment - 1, kPerSegment + 1))});
  }
  EXPECT_FALSE(files_.exists(segment(1)));
  auto log = open();
  EXPECT_EQ(log->recovered().first_index, Index(kPerSegment - 1));
  EXPECT_EQ(read_all(*log, Index(kPerSegment - 1), Index(kPerSegment + 1)),
            entries(2, kPerSegment - 1, kPerSegment + 1));
}

TEST_F(LogRecovery, HardStateAfterCut) {
  {
    auto log = open();
    write(*log, {hard_state(9, 3)});
    write_singly(*log, 1, 3 * kPerSegment);
    ASSERT_TRUE(log->cut(Index(3 * kPerSegment)).ok());
  }
  EXPECT_FALSE(files_.exists(segment(1)));
  EXPECT_EQ(open()->recovered().hard_state, (HardState{.term = Term(9), .vote = MemberId(3)}));
}

}  // namespace
}  // namespace coord::raft::testing

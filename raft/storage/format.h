// What the log's files look like. Writer and reader share this header; nothing else knows offsets.
//
// A log is a directory of segments, `<number>.log`, the number in 16 hexadecimal digits, without a
// gap. `*.spare` are files ready to become the next segment, `*.tmp` are half made; neither says
// anything. All numbers are little-endian.
//
//   segment     0 +------------------+
//                 | header           |  one block; never written again
//   kBlock = 4096 +------------------+
//                 | record           |  records are aligned to 8 bytes
//                 | record           |
//                 | ...              |
//                 +------------------+  where the last record ends
//                 | zeroes, or bytes |  the rest of the last group's block is always zeroes
//                 | of an older use  |
//            size +------------------+
//
//   header      0  magic "COORDLOG"             8  version u32     12  block size u32
//              16  cluster u64                 24  member u64
//              32  number of this segment u64  40  seed u64, see below
//              48  hard state: term u64        56  hard state: vote u64
//              64  term of the entry before    72  index of the entry before
//              80  where the records of the previous segment end u64 (0: there never was one)
//              88  bytes of the file u64 (0: an early version did not say)
//              96  zeroes                    4088  checksum of all before u64
//
//   record      0  checksum u64 of 8..end, which is at 40 + payload rounded up to 8
//               8  header checksum u32 of 12..40
//              12  payload bytes u32           16  behind u32, see below
//              20  record type u8              21  entry type u8    22  zeroes u16
//              24  first u64                   32  second u64
//              40  payload, then zeroes to a multiple of 8
//
//                      first                            second        payload
//      kEntry          term                             index         the entry's
//      kHardState      term                             vote          none
//      kTruncate       term of the entry before         from index    none
//      kReset          term of the entry before         its index     none
//
// After a reset the log begins anew, behind an entry that a snapshot contains; no record before it
// counts but the hard state.
//
// Checksums are seeded with the segment's seed and the record's offset, and the seed of a segment
// depends on the seed and the last record of the one before it. So bytes of an older use of the
// file, or records that were moved, copied or restored from elsewhere, are never taken for records.
//
// `behind` is the distance from the start of the record's group: of what was written together and
// then synced. Everything before a group's start was durable when the group was written. That tells
// a torn write (the groups behind the damage began at or before it) from damage (one began after).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "raft/base/types.h"
#include "raft/core/types.h"

namespace coord::raft {

inline constexpr std::uint32_t kLogFormatVersion = 1;
inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kRecordHeaderBytes = 40;
inline constexpr std::size_t kRecordAlignment = 8;

struct SegmentHeader {
  ClusterId cluster;
  MemberId member;
  std::uint64_t number = 0;
  std::uint64_t seed = 0;
  // The state at the start of the segment, so that the segments before it can be removed.
  HardState hard_state;
  LogId previous;
  std::uint64_t previous_end = 0;
  // The file is never shorter: one that is has lost what was behind.
  std::uint64_t file_bytes = 0;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

enum class HeaderFault : std::uint8_t { kNotASegment, kDamaged, kUnknownVersion };

void encode_segment_header(const SegmentHeader& header, std::span<std::byte, kBlockBytes> block);
// `version` is filled in whenever the block is intact, for the message about an unknown one.
std::variant<SegmentHeader, HeaderFault> decode_segment_header(std::span<const std::byte> block,
                                                               std::uint32_t& version);

// The seed of the first segment that a member ever has.
std::uint64_t first_seed(ClusterId cluster, MemberId member);
// The seed of a segment that follows on one with that seed, whose last record ends at
// `previous_end` and has that checksum (its own seed if it has none).
std::uint64_t next_seed(std::uint64_t previous_seed, std::uint64_t previous_end,
                        std::uint64_t last_checksum);

enum class RecordType : std::uint8_t { kEntry = 1, kHardState = 2, kTruncate = 3, kReset = 4 };

struct Record {
  RecordType type = RecordType::kEntry;
  EntryType entry_type = EntryType::kNoop;
  std::uint32_t behind = 0;
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::span<const std::byte> payload = {};
  // Filled in by decode_record() and append_record().
  std::uint64_t checksum = 0;
};

constexpr std::size_t record_bytes(std::size_t payload_bytes) {
  return kRecordHeaderBytes +
         (payload_bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Appends the record to `buffer`, as it has to stand at `position` of the segment with that seed.
// Returns its checksum.
std::uint64_t append_record(std::vector<std::byte>& buffer, const Record& record,
                            std::uint64_t seed, std::uint64_t position);

// The payload bytes of the record at `position`, which starts with `header`, if the header is
// intact; nothing otherwise. `header` has at least kRecordHeaderBytes.
std::optional<std::uint32_t> decode_record_size(std::span<const std::byte> header,
                                                std::uint64_t seed, std::uint64_t position);
// The record that `bytes` starts with, if it is intact. The payload is a view into `bytes`.
std::optional<Record> decode_record(std::span<const std::byte> bytes, std::uint64_t seed,
                                    std::uint64_t position);

std::string segment_name(std::uint64_t number);
// The number in the name of a segment; nothing if it is not one.
std::optional<std::uint64_t> parse_segment_name(std::string_view name);

}  // namespace coord::raft

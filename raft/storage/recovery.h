// What recovery makes of the bytes of one segment. The table is in recovery.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "raft/base/result.h"
#include "raft/storage/format.h"

namespace coord::raft {

// Reads and judges the header block of a segment.
Result<SegmentHeader> check_segment_header(const std::filesystem::path& path,
                                           std::span<const std::byte> content, ClusterId cluster,
                                           MemberId member, std::uint64_t number);

// Passes every record to `visit`, with its position and the position behind it, up to the first
// bytes that are no record. `visit` returns what is wrong with a record, if anything is, which
// makes it corruption. Returns the position behind the last record.
using RecordVisitor = std::function<std::optional<std::string>(
    const Record& record, std::uint64_t position, std::uint64_t end)>;
Result<std::uint64_t> scan_records(const std::filesystem::path& path,
                                   std::span<const std::byte> content, std::uint64_t seed,
                                   const RecordVisitor& visit);

// Judges what is behind the last record of the newest segment. Ok: it is the end of the log, or was
// torn off while it was written and never reported durable. kCorrupt: a group that was written when
// the bytes at `end` had been durable is behind them.
Status check_tail(const std::filesystem::path& path, std::span<const std::byte> content,
                  std::uint64_t seed, std::uint64_t end);

}  // namespace coord::raft

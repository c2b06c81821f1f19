// One file of the log: its header, where its records end, and a sparse index of the entries that
// still count. Owned by the log; the log's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "raft/base/result.h"
#include "raft/storage/file_system.h"
#include "raft/storage/format.h"

namespace coord::raft {

// The Error of everything that recovery refuses: which file, which offset, and what to do about it.
Error corrupt_log(const std::filesystem::path& path, std::uint64_t offset, std::string_view what);

class Segment {
 public:
  Segment(std::filesystem::path path, std::unique_ptr<File> file, const SegmentHeader& header,
          std::uint64_t file_bytes);

  const std::filesystem::path& path() const { return path_; }
  const SegmentHeader& header() const { return header_; }
  // Where the next record goes.
  std::uint64_t end() const { return end_; }
  std::uint64_t file_bytes() const { return file_bytes_; }
  // The last entry that counts before this segment: the header's, unless that was truncated since.
  const LogId& previous() const { return previous_; }

  // What the seed of the segment after this one has to be.
  std::uint64_t seed_of_next() const { return next_seed(header_.seed, end_, last_checksum_); }

  // --- What its records say, told as they are written or recovered ----------------------------

  void note_entry(Index index, std::uint64_t position);
  // Entries after `last` no longer count, wherever they are.
  void note_truncation(LogId last);
  // No entry counts that was written so far, wherever it is; the log begins after `last`.
  void note_reset(LogId last);
  // A record with that checksum ends at `end`.
  void note_record(std::uint64_t end, std::uint64_t checksum);

  // --- The file -------------------------------------------------------------------------------

  // Writes records that start at `position` (end() before they were noted) as one group, fills the
  // rest of the last block with zeroes, and syncs.
  [[nodiscard]] Status write_group(std::uint64_t position, std::vector<std::byte>& records);

  // Appends entries from `from`, which is in this segment, to at most `through` to `entries`; stops
  // before `bytes`, the room that is left, would be passed, except by the first entry of `entries`.
  // Counts `bytes` down, to zero if it stopped because of it.
  [[nodiscard]] Status read(Index from, Index through, std::size_t& bytes,
                            std::vector<Entry>& entries);

  [[nodiscard]] Status sync() { return file_->sync(); }
  File& file() { return *file_; }

 private:
  // An entry that counts and where its record is. The first entry in the segment has a mark, and
  // the first after a truncation, and from then on the first in every kMarkDistance: from a mark
  // on, entries that count follow each other up to the index of the next mark.
  struct Mark {
    Index index;
    std::uint64_t position;
  };
  static constexpr std::uint64_t kMarkDistance = 32 * 1024;

  const std::filesystem::path path_;
  std::unique_ptr<File> file_;
  const SegmentHeader header_;
  const std::uint64_t file_bytes_;
  std::uint64_t end_ = kBlockBytes;
  std::uint64_t last_checksum_;
  LogId previous_;
  std::vector<Mark> marks_;
  bool mark_next_ = true;
};

}  // namespace coord::raft

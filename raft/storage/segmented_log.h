// The log as a list of segments. See log.h for the contract, format.h for the bytes, recovery.md
// for what happens at open().
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/storage/log.h"
#include "raft/storage/segment.h"
#include "raft/storage/spare_segments.h"

namespace coord::raft {

class SegmentedLog final : public Log {
 public:
  SegmentedLog(FileSystem& file_system, LogOptions options);

  // Once, before anything else.
  [[nodiscard]] Status recover();

  RecoveredLog recovered() const override { return recovered_; }
  Status write(std::span<const Durable> batches) override;
  Result<Slice> read(Index from, Index through, std::size_t bytes_max) override;
  Result<Index> cut(Index through) override;
  std::uint64_t disk_bytes() const override;

 private:
  // --- recovery (segmented_log_recovery.cc) ---
  Status open_segments(const std::vector<std::uint64_t>& numbers);
  Status open_segment(std::uint64_t number, bool newest);
  // What is wrong with that segment as the one after the newest so far, if anything is.
  Status check_continuity(const std::filesystem::path& path, const SegmentHeader& header) const;
  // Takes in a record of the newest segment; returns what is wrong with it, if anything is.
  std::optional<std::string> replay(const Record& record, std::uint64_t position);
  Status repair_tail(Segment& segment, std::span<const std::byte> content);
  Status write_again(Segment& segment, std::span<const std::byte> content,
                     std::uint64_t last_group);

  // --- writing ---
  Status write_batches(std::span<const Durable> batches);
  Status put_hard_state(const HardState& state);
  Status put_truncation(Index from);
  Status put_reset(LogId last);
  Status put_entry(const Entry& entry);
  Status put(Record record);
  Status flush();
  // Begins a segment that has room for a record of that size.
  Status begin_segment(std::size_t record_bytes);
  Result<std::filesystem::path> new_file(std::uint64_t file_bytes);
  Segment& active() { return *segments_.back(); }

  // --- what the records say, as they are written or recovered ---
  void note_entry(LogId id, std::uint64_t position);
  void note_truncation(LogId last);
  void note_reset(LogId last);
  // The entry that the log was cut or begun behind.
  LogId base() const { return segments_.front()->previous(); }
  Term term_at(Index index) const;

  template <class T>
  T remember(T result);

  FileSystem& file_system_;
  const LogOptions options_;
  SpareSegments spares_;
  RecoveredLog recovered_;

  // Never empty after recover().
  std::deque<std::unique_ptr<Segment>> segments_;
  HardState hard_state_;
  LogId last_;
  // The first entry of every term among the entries that count.
  std::deque<LogId> terms_;
  // The group that is being gathered; starts at group_start_ of the active segment.
  std::vector<std::byte> group_;
  std::uint64_t group_start_ = 0;
  // The first error since open(); the answer to everything from then on.
  std::optional<Error> failed_;
};

}  // namespace coord::raft

// The durable log of one member: append-only segments of checksummed records; entries, hard state
// and markers share one stream, so that one fdatasync makes a whole batch durable.
//
// A Log is used by one thread at a time (LogWriter's own, or a simulation's only one). Any error
// that it returns after open() is final: the file's state is unknown then (a failed fsync may have
// lost the pages), and the process has to stop.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "raft/base/limits.h"
#include "raft/base/result.h"
#include "raft/core/output.h"
#include "raft/storage/file_system.h"

namespace coord::raft {

struct LogOptions {
  std::filesystem::path directory;
  // Written into every segment; a log of another cluster or member is refused at open.
  ClusterId cluster;
  MemberId member;
  std::size_t segment_bytes = limits::kSegmentBytes;
  // A fresh log begins with a small segment, so that a new member does not start by writing a large
  // file full of zeroes.
  std::size_t first_segment_bytes = 4 * limits::kMiB;
  // The next segment is made ready on a thread of the log's own. A simulation has it made within
  // write() instead.
  bool prepare_in_background = true;
};

// What the disk said at open().
struct RecoveredLog {
  HardState hard_state;
  Index first_index;  // of the oldest entry kept; last.index + 1 if there is none
  LogId last;         // the newest entry, or the position that the log was cut or begun at
};

class Log {
 public:
  // Opens or creates the log, and repairs what recovery.md calls repairable. Everything else that
  // is wrong is an Error whose message names the file, the offset and the remedy: kWrongCluster,
  // kWrongMember, kUnsupported (a later version's log), kIo, and kCorrupt for all that is damaged.
  static Result<std::unique_ptr<Log>> open(FileSystem& file_system, LogOptions options);
  virtual ~Log() = default;

  virtual RecoveredLog recovered() const = 0;

  // Writes the batches behind each other and makes them durable with one sync (more where they do
  // not fit into one segment). After a crash a prefix of what was being written is there: hard
  // state first, so that no entry is there without the term that it came with.
  [[nodiscard]] virtual Status write(std::span<const Durable> batches) = 0;

  // Entries from `from` to at most `through`, stopping before `bytes_max` would be passed (the
  // first entry is returned whatever its size), with the id of the entry before. Error kCompacted
  // if `from` was cut, kInvalidArgument if it is behind the last entry.
  struct Slice {
    LogId previous;
    std::vector<Entry> entries;
  };
  [[nodiscard]] virtual Result<Slice> read(Index from, Index through, std::size_t bytes_max) = 0;

  // Removes whole segments whose entries are all at or below `through`, durably. Returns the first
  // index that is still kept.
  [[nodiscard]] virtual Result<Index> cut(Index through) = 0;

  // Bytes that the segments take on disk.
  virtual std::uint64_t disk_bytes() const = 0;
};

}  // namespace coord::raft

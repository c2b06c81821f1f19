// Files that wait to become the next segment, so that beginning one does not stall the log.
//
// They are written full of zeroes ahead, not only allocated: writing into allocated but unwritten
// space makes each fdatasync convert extents in the file system's journal, which costs about half
// as much again as overwriting does. Files of segments that were cut are used again as they are;
// the seed of the records' checksums keeps what they held from being taken for records.
//
// A spare that cannot be made is no error: the log allocates a new file when it needs one, and that
// is where a full disk is reported.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "raft/base/result.h"
#include "raft/storage/file_system.h"

namespace coord::raft {

class SpareSegments {
 public:
  struct Options {
    std::filesystem::path directory;
    std::uint64_t file_bytes = 0;
    // On a thread of its own, or within prepare(), as a simulation needs it.
    bool in_background = true;
  };

  SpareSegments(FileSystem& file_system, Options options);
  // Abandons a file that is being made.
  ~SpareSegments();
  SpareSegments(const SpareSegments&) = delete;
  SpareSegments& operator=(const SpareSegments&) = delete;

  // Takes over the spares among the directory's files and removes what was left half made.
  [[nodiscard]] Status adopt(const std::vector<std::string>& names);

  // Starts to make a spare if there is none and none is being made.
  void prepare();
  // The path of a spare, which is the caller's from now on; nothing if none is ready.
  std::optional<std::filesystem::path> take();

  // Takes a segment that is no longer needed, out of the log: as a spare, or removes it. The
  // caller syncs the directory.
  [[nodiscard]] Status retire(const std::filesystem::path& segment, std::uint64_t file_bytes);

  std::uint64_t disk_bytes() const;

 private:
  static constexpr std::size_t kSparesMax = 2;

  void make();
  Status fill(File& file);
  std::filesystem::path fresh_path();

  FileSystem& file_system_;
  const Options options_;
  std::thread maker_;
  std::atomic<bool> stop_ = false;

  mutable std::mutex mutex_;
  bool making_ = false;                       // guarded by mutex_
  std::vector<std::filesystem::path> ready_;  // guarded by mutex_
  std::uint64_t next_number_ = 0;             // guarded by mutex_
};

}  // namespace coord::raft

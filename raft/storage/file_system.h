// The files of the log, as an interface, so that a double can fail, tear writes, and forget what
// was not synced. PosixFileSystem is the real one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "raft/base/result.h"

namespace coord::raft {

// An open file. One thread at a time.
class File {
 public:
  virtual ~File() = default;
  // Writes all of it at that offset, extending the file if need be.
  [[nodiscard]] virtual Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Reads until the buffer is full or the file ends; returns how much that was.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset,
                                                    std::span<std::byte> buffer) = 0;
  // Data and what is needed to find it again are on the disk when this returns.
  [[nodiscard]] virtual Status sync() = 0;
  // Reserves space, zero-filled, and makes it the file's size.
  [[nodiscard]] virtual Status allocate(std::uint64_t size) = 0;
  [[nodiscard]] virtual Status truncate(std::uint64_t size) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() = 0;
};

class FileSystem {
 public:
  enum class Mode { kOpenExisting, kCreateNew };

  virtual ~FileSystem() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                                           Mode mode) = 0;
  // Names, not paths, sorted; without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> list(
      const std::filesystem::path& directory) = 0;
  [[nodiscard]] virtual Status create_directories(const std::filesystem::path& directory) = 0;
  [[nodiscard]] virtual Status rename(const std::filesystem::path& from,
                                      const std::filesystem::path& to) = 0;
  [[nodiscard]] virtual Status remove(const std::filesystem::path& path) = 0;
  // Makes creations, renames and removals in it durable.
  [[nodiscard]] virtual Status sync_directory(const std::filesystem::path& directory) = 0;
};

}  // namespace coord::raft

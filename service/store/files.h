// Files of the store and of snapshots: small helpers. Any thread, but none that must not wait for
// a disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include "raft/base/result.h"

namespace coord::service {

// As errno has it: kStorageFull or kIo.
Error file_error(const char* what, const std::filesystem::path& path);

// Durable when it returns; `from` has to be synced already. The target is the old file or the new
// one, whole, whatever happens.
[[nodiscard]] Status rename_durably(const std::filesystem::path& from,
                                    const std::filesystem::path& to);
[[nodiscard]] Status sync_directory(const std::filesystem::path& path);

// Whether there is push_out() for that file.
bool can_push_out(int file);
// As sync_file_range() with these flags: has the kernel write a part of what it has of the file, or
// waits for that. It is not durable then: for that there is a sync. False with errno if it failed;
// an error of the disk that is told here is not told to the sync, so none may be passed over.
[[nodiscard]] bool push_out(int file, std::int64_t offset, std::int64_t bytes, unsigned flags);

// hash64() of what the file holds. Error kCorrupt if it is not `bytes` long.
Result<std::uint64_t> checksum_of(const std::filesystem::path& path, std::uint64_t bytes);

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() { close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

}  // namespace coord::service

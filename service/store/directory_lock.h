// Holds a directory for one process at a time, for as long as it lives: LMDB would let several in,
// and two members on one directory must not be.
#pragma once

#include <filesystem>
#include <utility>

#include "raft/base/result.h"

namespace coord::service {

class DirectoryLock {
 public:
  // Creates the directory if it is not there. kInUse, kIo.
  static Result<DirectoryLock> take(const std::filesystem::path& directory);

  DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace coord::service

// What of a file the kernel holds, for tests.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "service/store/files.h"

namespace coord::service {

inline const std::size_t page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

inline FileDescriptor open_to_read(const std::filesystem::path& path) {
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

class Map {
 public:
  explicit Map(const std::filesystem::path& path)
      : bytes_(std::filesystem::file_size(path)),
        begin_(::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, open_to_read(path).get(), 0)) {}
  ~Map() { ::munmap(begin_, bytes_); }
  Map(const Map&) = delete;
  Map& operator=(const Map&) = delete;

  // Pages that the kernel does not have.
  std::size_t missing() const {
    std::vector<unsigned char> pages((bytes_ + page_bytes - 1) / page_bytes);
    EXPECT_EQ(::mincore(begin_, bytes_, pages.data()), 0);
    return static_cast<std::size_t>(std::count_if(
        pages.begin(), pages.end(), [](unsigned char page) { return (page & 1) == 0; }));
  }
  char at(std::size_t byte) const { return static_cast<const char*>(begin_)[byte]; }

 private:
  const std::size_t bytes_;
  void* const begin_;
};

inline std::size_t missing(const std::filesystem::path& path) {
  return Map(path).missing();
}

// Such file systems are the page cache and nothing else: there is nothing to read ahead.
inline bool is_in_memory(const std::filesystem::path& path) {
  struct statfs status {};
  EXPECT_EQ(::statfs(path.c_str(), &status), 0);
  return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

// Takes it out of the page cache.
inline bool forget(const std::filesystem::path& path) {
  const FileDescriptor file = open_to_read(path);
  // What is not on disk stays.
  return ::fsync(file.get()) == 0 && ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0 &&
         missing(path) * page_bytes > std::filesystem::file_size(path) / 50 * 49;
}

}  // namespace coord::service

#include "service/store/map_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

namespace coord::service {

MapMemory::MapMemory(int file, std::size_t bytes)
    : statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
  struct stat wanted {};
  if (::fstat(file, &wanted) != 0) return;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    // BEGIN-END PERMISSIONS OFFSET DEVICE INODE PATH
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t inode = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64, &begin, &end,
                    &inode) != 3) {
      continue;
    }
    // The device is written in different ways; the length makes up for it.
    if (inode != wanted.st_ino || end - begin != bytes) continue;
    begin_ = reinterpret_cast<std::byte*>(begin);
    bytes_ = bytes;
  }
}

std::size_t MapMemory::resident_bytes() const {
  std::array<char, 128> text;
  const ssize_t got = ::pread(statm_.get(), text.data(), text.size(), 0);
  if (got <= 0) return 0;
  // SIZE RESIDENT SHARED ..., in pages; shared are those of files.
  std::string_view rest(text.data(), static_cast<std::size_t>(got));
  for (int i = 0; i < 2; ++i) rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
  std::size_t pages = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), pages);
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

bool MapMemory::look(std::size_t limit_bytes) const {
  if (begin_ == nullptr || resident_bytes() <= limit_bytes) return false;
  // Nothing is lost: the map is read-only, and shared with the file.
  return ::madvise(begin_, bytes_, MADV_DONTNEED) == 0;
}

}  // namespace coord::service

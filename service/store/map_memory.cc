#include "service/store/map_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

namespace coord::service {

namespace {
// Were all of the file taken out at once, what is mapped would be half of what may be, on average,
// and most of what was taken out would be asked for again. So much takes half a millisecond at
// most.
constexpr std::size_t kPartBytes = std::size_t{16} << 20;
// In one look: the loop may be who looks, and in a large file each may hold very little.
constexpr std::size_t kPartsMax = 8;
}  // namespace

MapMemory::MapMemory(int file, std::size_t bytes)
    : file_(file), statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
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

MapMemory::Usage MapMemory::usage() const {
  std::array<char, 128> text;
  const ssize_t got = ::pread(statm_.get(), text.data(), text.size(), 0);
  if (got <= 0) return {};
  // SIZE RESIDENT SHARED ..., in pages; shared are those of files.
  std::string_view rest(text.data(), static_cast<std::size_t>(got));
  const auto next = [&rest] {
    rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
    std::size_t pages = 0;
    std::from_chars(rest.data(), rest.data() + rest.size(), pages);
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  };
  const std::size_t resident = next();
  return {.resident_bytes = resident, .mapped_bytes = next()};
}

std::size_t MapMemory::excess_of(const Usage& usage, const Limit& limit) {
  const std::size_t others =
      usage.resident_bytes - std::min(usage.mapped_bytes, usage.resident_bytes);
  const std::size_t rest = limit.resident_bytes - std::min(others, limit.resident_bytes);
  const std::size_t allowed = std::max(rest, limit.mapped_bytes_min);
  return usage.mapped_bytes - std::min(allowed, usage.mapped_bytes);
}

std::size_t MapMemory::file_bytes() const {
  struct stat status {};
  if (::fstat(file_, &status) != 0) return 0;
  return std::min(bytes_, static_cast<std::size_t>(status.st_size));
}

bool MapMemory::look(const Limit& limit) {
  if (begin_ == nullptr || !is_past(limit)) return false;
  const std::size_t bytes = file_bytes();
  const std::size_t parts = (bytes + kPartBytes - 1) / kPartBytes;
  for (std::size_t i = 0; i < std::min(parts, kPartsMax) && is_past(limit); ++i) {
    const std::size_t part = next_part_.fetch_add(1, std::memory_order_relaxed) % parts;
    const std::size_t at = part * kPartBytes;
    // Nothing is lost: the map is read-only, and shared with the file.
    static_cast<void>(::madvise(begin_ + at, std::min(kPartBytes, bytes_ - at), MADV_DONTNEED));
  }
  return true;
}

}  // namespace coord::service

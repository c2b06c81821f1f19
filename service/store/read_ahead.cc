#include "service/store/read_ahead.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "service/store/control_groups.h"
#include "service/store/files.h"
#include "service/store/sleep.h"
#include "service/store/worker.h"

namespace coord::service {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
// What took longer was not the disk alone: this process was stopped, or had to wait for a
// processor.
constexpr milliseconds kPauseMax{100};

// Zero if the kernel does not say.
std::uint64_t available_on_this_machine() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  std::uint64_t kib = 0;
  for (std::string rest; info >> name >> kib; std::getline(info, rest)) {
    if (name == "MemAvailable:") return kib << 10;
  }
  return 0;
}

}  // namespace

void read_ahead(const std::filesystem::path& file, const std::stop_token& stop) {
  read_ahead(file, stop, std::min(available_on_this_machine(), ControlGroups().memory_bytes()));
}

void read_ahead(const std::filesystem::path& path, const std::stop_token& stop,
                std::uint64_t available_bytes) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return;
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  if (bytes > available_bytes / 2) return;

  // Told that the reads are in order, the kernel would keep the file in blocks of up to 2 MiB, and
  // map a whole one wherever LMDB touches a page of it: map_memory.h counts them.
  static_cast<void>(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM));
  const auto buffer = std::make_unique<std::byte[]>(kPieceBytes);
  iovec piece{buffer.get(), kPieceBytes};
  for (std::uint64_t at = 0; at < bytes && !stop.stop_requested();) {
    const auto offset = static_cast<off_t>(at);
    // What the kernel has; less than asked for, or nothing, where that ends.
    ssize_t got = ::preadv2(file.get(), &piece, 1, offset, RWF_NOWAIT);
    if (got <= 0) {
      const auto begun_at = std::chrono::steady_clock::now();
      got = ::pread(file.get(), buffer.get(), kPieceBytes, offset);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return;
      // However slow the disk is, half of its time is for others.
      const auto ended_at = std::chrono::steady_clock::now();
      sleep_until(stop, ended_at + std::min<nanoseconds>(ended_at - begun_at, kPauseMax));
    }
    at += static_cast<std::uint64_t>(got);
  }
}

ReadAhead::ReadAhead(std::filesystem::path file) {
  try {
    thread_ = std::jthread([file = std::move(file)](const std::stop_token& stop) {
      give_way();
      read_ahead(file, stop);
    });
  } catch (const std::system_error&) {
    // Reads only begin more slowly.
  }
}

}  // namespace coord::service

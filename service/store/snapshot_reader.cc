#include "service/store/snapshot_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace coord::service {

namespace {

// What has been read is on its way to whoever wanted it, and seldom read again. In the page cache
// it would stand in the place of what is read and written all the time. Some of it at once: where
// not all of it lets itself be dropped, the kernel asks every processor; and what could not be
// dropped once is tried again. What is further back somebody else may be reading.
void drop_before(const FileDescriptor& file, std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t kStride = std::uint64_t{8} << 20;
  if (from / kStride == to / kStride) return;
  const std::uint64_t begin = to - std::min(to, 2 * kStride);
  static_cast<void>(::posix_fadvise(file.get(), static_cast<off_t>(begin),
                                    static_cast<off_t>(to - begin), POSIX_FADV_DONTNEED));
}

Result<Bytes> read_at(const FileDescriptor& file, const std::filesystem::path& path,
                      std::uint64_t offset, std::size_t bytes_max) {
  std::size_t size = 0;
  bool failed = false;
  Bytes bytes = Bytes::make(bytes_max, [&](std::span<std::byte> target) {
    while (size < target.size()) {
      const ssize_t got = ::pread(file.get(), target.data() + size, target.size() - size,
                                  static_cast<off_t>(offset + size));
      if (got < 0 && errno == EINTR) continue;
      failed = got < 0;
      if (got <= 0) return;
      size += static_cast<std::size_t>(got);
    }
  });
  if (failed) return file_error("read", path);
  drop_before(file, offset, offset + size);
  return bytes.slice(0, size);
}

}  // namespace

Result<std::unique_ptr<SnapshotReader>> SnapshotReader::open(const std::filesystem::path& file,
                                                             Worker::Post post) {
  FileDescriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.valid()) return file_error("open", file);
  try {
    return std::unique_ptr<SnapshotReader>(
        new SnapshotReader(file, std::move(opened), std::move(post)));
  } catch (const std::system_error& refused) {
    return no_thread(refused);
  }
}

void SnapshotReader::read(std::uint64_t offset, std::size_t bytes_max,
                          std::function<void(Result<Bytes>)> done) {
  const std::size_t wanted = std::min(bytes_max, kChunkBytesMax);
  worker_.run([this, offset, wanted] { return read_at(file_, path_, offset, wanted); },
              std::move(done));
}

}  // namespace coord::service

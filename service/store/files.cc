#include "service/store/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

#include "raft/base/hash.h"

namespace coord::service {

namespace {
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
}

Error file_error(const char* what, const std::filesystem::path& path) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return make_error(full ? ErrorCode::kStorageFull : ErrorCode::kIo, "cannot {} {}: {}", what,
                    path.string(), std::strerror(errno));
}

void FileDescriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status sync_directory(const std::filesystem::path& path) {
  const FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return file_error("open", path);
  if (::fsync(directory.get()) != 0) return file_error("sync", path);
  return Status::success();
}

Status rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return file_error("rename", from);
  return sync_directory(to.parent_path());
}

bool can_push_out(int file) {
  // Without a flag it does nothing but look whether it could.
  return ::sync_file_range(file, 0, 0, 0) == 0;
}

bool push_out(int file, std::int64_t offset, std::int64_t bytes, unsigned flags) {
  return ::sync_file_range(file, offset, bytes, flags) == 0;
}

Result<std::uint64_t> checksum_of(const std::filesystem::path& path, std::uint64_t bytes) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return file_error("open", path);
  Hasher64 hasher;
  const auto buffer = std::make_unique<std::byte[]>(kReadBytes);
  std::uint64_t done = 0;
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.get(), kReadBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path);
    if (got == 0) break;
    hasher.update(std::span(buffer.get(), static_cast<std::size_t>(got)));
    done += static_cast<std::uint64_t>(got);
  }
  if (done != bytes) {
    return make_error(ErrorCode::kCorrupt, "{} has {} bytes, {} were expected", path.string(), done,
                      bytes);
  }
  return hasher.value();
}

}  // namespace coord::service

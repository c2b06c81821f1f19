#include "service/store/paced_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace coord::service {

Result<PacedFile> PacedFile::create(const std::filesystem::path& path, Options options) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return file_error("create", path);
  if (options.bytes > 0 && ::fallocate(file.get(), 0, 0, static_cast<off_t>(options.bytes)) != 0 &&
      errno != EOPNOTSUPP) {
    return file_error("reserve space for", path);
  }
  return PacedFile(path, std::move(file), options.drop_written);
}

Status PacedFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
  while (paced_ && size_ - begun_ >= kSliceBytes) {
    if (Status status = push_out_slice(); !status.ok()) return status;
  }
  return Status::success();
}

// Begins with the next slice and waits for the one before it.
Status PacedFile::push_out_slice() {
  const auto slice = [this](std::uint64_t offset, unsigned flags) {
    return push_out(file_.get(), static_cast<std::int64_t>(offset),
                    static_cast<std::int64_t>(kSliceBytes), flags);
  };
  if (!slice(begun_, SYNC_FILE_RANGE_WRITE)) return file_error("write", path_);
  if (begun_ >= kSliceBytes) {
    if (!slice(begun_ - kSliceBytes,
               SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)) {
      return file_error("write", path_);
    }
    written(begun_);
  }
  begun_ += kSliceBytes;
  return Status::success();
}

Status PacedFile::sync() {
  if (::fsync(file_.get()) != 0) return file_error("sync", path_);
  written(size_);
  return Status::success();
}

void PacedFile::written(std::uint64_t end) {
  if (!drop_written_) return;
  static_cast<void>(::posix_fadvise(file_.get(), 0, static_cast<off_t>(end), POSIX_FADV_DONTNEED));
}

}  // namespace coord::service

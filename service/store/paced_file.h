// A large file that is written beside a log that has to stay quick. Left alone, the kernel would
// gather hundreds of megabytes of it and then write them all at once, and every sync of the log
// would wait behind them. Here at most two slices are ever on their way to the disk.
//
// One thread at a time, and none that must not wait for a disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "service/store/files.h"

namespace coord::service {

class PacedFile {
 public:
  static constexpr std::size_t kSliceBytes = std::size_t{4} << 20;

  struct Options {
    // Reserved: a disk that is too full for the file says so at once.
    std::uint64_t bytes = 0;
    // What is on disk leaves the page cache, where it would take the place of what is in use.
    bool drop_written = false;
  };

  // Anew: what was there is gone. kStorageFull, kIo.
  static Result<PacedFile> create(const std::filesystem::path& path, Options options);

  [[nodiscard]] Status append(std::span<const std::byte> bytes);
  // After the last append: everything is on disk.
  [[nodiscard]] Status sync();

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }

 private:
  PacedFile(std::filesystem::path path, FileDescriptor file, bool drop_written)
      : path_(std::move(path)),
        file_(std::move(file)),
        paced_(can_push_out(file_.get())),
        drop_written_(drop_written) {}
  [[nodiscard]] Status push_out_slice();
  // What is before that the disk has been given, and has taken.
  void written(std::uint64_t end);

  std::filesystem::path path_;
  FileDescriptor file_;
  bool paced_;
  bool drop_written_;
  std::uint64_t size_ = 0;
  // Slices before that have been given to the disk; the last of them may still be on its way.
  std::uint64_t begun_ = 0;
};

}  // namespace coord::service

#include "raft/storage/posix_file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace coord::raft {

namespace {

Error io_error(int number, const std::string& what) {
  return make_error(ErrorCode::kIo, "{}: {}", what, std::generic_category().message(number));
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count =
          ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return io_error(errno, "cannot write " + path_);
      offset += static_cast<std::uint64_t>(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    std::size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t count = ::pread(descriptor_, buffer.data() + done, buffer.size() - done,
                                    static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return io_error(errno, "cannot read " + path_);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  Status sync() override {
    // Never retried: after a failure the kernel has marked the pages clean, and a second call would
    // report a success that means nothing.
    if (::fdatasync(descriptor_) != 0) return io_error(errno, "cannot sync " + path_);
    return {};
  }

  Status allocate(std::uint64_t size) override {
    if (const int number = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size))) {
      return io_error(number, "cannot allocate " + path_);
    }
    return {};
  }

  Status truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
      return io_error(errno, "cannot truncate " + path_);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status = {};
    if (::fstat(descriptor_, &status) != 0) return io_error(errno, "cannot examine " + path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  const int descriptor_;
  const std::string path_;
};

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::filesystem::path& path, Mode mode) {
  const int create = mode == Mode::kCreateNew ? O_CREAT | O_EXCL : 0;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | create, 0640);
  if (descriptor < 0) return io_error(errno, "cannot open " + path.string());
  return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path.string()));
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return io_error(error.value(), "cannot list " + directory.string());
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFileSystem::create_directories(const std::filesystem::path& directory) {
  std::error_code error;
  // Outermost first, each made durable in its parent, so that no power cut leaves a log whose
  // directory has gone.
  std::filesystem::path made;
  for (const auto& part : directory) {
    made /= part;
    if (std::filesystem::create_directory(made, error)) {
      const auto parent = made.parent_path();
      const Status synced = sync_directory(parent.empty() ? "." : parent);
      if (!synced.ok()) return synced;
    } else if (error) {
      return io_error(error.value(), "cannot create " + made.string());
    }
  }
  return {};
}

Status PosixFileSystem::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return io_error(errno, "cannot rename " + from.string());
  }
  return {};
}

Status PosixFileSystem::remove(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0) return io_error(errno, "cannot remove " + path.string());
  return {};
}

Status PosixFileSystem::sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return io_error(errno, "cannot open " + directory.string());
  const int failed = ::fsync(descriptor) != 0 ? errno : 0;
  ::close(descriptor);
  if (failed != 0) return io_error(failed, "cannot sync " + directory.string());
  return {};
}

}  // namespace coord::raft

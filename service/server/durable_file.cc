#include "service/server/durable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "raft/base/hash.h"

namespace coord::service {

namespace fs = std::filesystem;

namespace {

Error failed(const char* what, const fs::path& path) {
  return make_error(ErrorCode::kIo, "cannot {} {}: {}", what, path.string(), std::strerror(errno));
}

// Closes on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

Status sync_directory(const fs::path& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::fsync(directory.get()) != 0) return failed("sync", path);
  return Status::success();
}

std::string checksum_line(const std::string& text) {
  return fmt::format("checksum {:016x}\n", hash64(text));
}

}  // namespace

Result<std::optional<std::string>> read_file(const fs::path& path) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  if (error) {
    return make_error(ErrorCode::kIo, "cannot look for {}: {}", path.string(), error.message());
  }
  if (!there) return std::optional<std::string>();
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  // An empty file leaves `text` failed, and is no failure.
  if (!in.is_open() || in.bad()) return failed("read", path);
  return std::optional<std::string>(text.str());
}

Status replace_file(const fs::path& path, const std::string& text) {
  const fs::path draft = path.string() + ".new";
  {
    const Descriptor file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.valid()) return failed("create", draft);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return failed("write", draft);
    }
    if (::fsync(file.get()) != 0) return failed("sync", draft);
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return failed("rename", draft);
  return sync_directory(path.parent_path());
}

std::string with_checksum(const std::string& text) {
  return text + checksum_line(text);
}

Result<std::string> without_checksum(const std::string& text) {
  const std::size_t line = checksum_line({}).size();
  if (text.size() >= line) {
    std::string bare = text.substr(0, text.size() - line);
    if (with_checksum(bare) == text) return bare;
  }
  return make_error(ErrorCode::kCorrupt, "its checksum is wrong: it was damaged or edited");
}

}  // namespace coord::service

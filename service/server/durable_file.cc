#include "service/server/durable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "raft/base/hash.h"
#include "service/store/files.h"

namespace coord::service {

namespace fs = std::filesystem;

namespace {

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
  if (!in.is_open() || in.bad()) return file_error("read", path);
  return std::optional<std::string>(text.str());
}

Status replace_file(const fs::path& path, const std::string& text) {
  const fs::path draft = path.string() + ".new";
  {
    const FileDescriptor file(
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.valid()) return file_error("create", draft);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return file_error("write", draft);
    }
    if (::fsync(file.get()) != 0) return file_error("sync", draft);
  }
  return rename_durably(draft, path);
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

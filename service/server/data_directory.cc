#include "service/server/data_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "raft/base/hash.h"

namespace coord::service {

namespace fs = std::filesystem;

namespace {

constexpr int kFormatVersion = 1;

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
  int release() { return std::exchange(fd_, -1); }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

Status sync_directory(const fs::path& path) {
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::fsync(directory.get()) != 0) return failed("sync", path);
  return Status::success();
}

// A crash leaves the old file or the new one, whole.
Status write_atomically(const fs::path& path, const std::string& text) {
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

Result<int> take_lock(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid()) return failed("open", path);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file.release();
  if (errno != EWOULDBLOCK) return failed("lock", path);
  return make_error(ErrorCode::kInUse, "the data directory {} is in use by another process",
                    path.parent_path().string());
}

Status same_identity(const fs::path& path, const Identity& found, const Identity& wanted) {
  if (found.cluster != wanted.cluster) {
    return make_error(ErrorCode::kWrongCluster,
                      "the data directory {} belongs to another cluster ({:016x}, this one is "
                      "{:016x}: was --initial-cluster changed?)",
                      path.string(), found.cluster.value(), wanted.cluster.value());
  }
  if (found != wanted) {
    return make_error(ErrorCode::kWrongMember,
                      "the data directory {} belongs to the member '{}', this is '{}'",
                      path.string(), found.name, wanted.name);
  }
  return Status::success();
}

Status establish_identity(const fs::path& path, const Identity& wanted) {
  const fs::path file = path / "identity";
  std::error_code error;
  if (fs::exists(file, error)) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) return failed("read", file);
    const auto found = parse_identity(text.str());
    if (!found) {
      return make_error(found.error().code, "{}: {}", file.string(), found.error().message);
    }
    return same_identity(path, *found, wanted);
  }
  if (error) return failed("look for", file);
  if (fs::exists(path / "log", error) || fs::exists(path / "state", error)) {
    return make_error(
        ErrorCode::kCorrupt,
        "the data directory {} has a log or a state but no identity: it cannot be told "
        "whose they are",
        path.string());
  }
  return write_atomically(file, to_text(wanted));
}

}  // namespace

std::string to_text(const Identity& identity) {
  std::string text =
      fmt::format("coord-data {}\ncluster {:016x}\nmember {}\nname {}\n", kFormatVersion,
                  identity.cluster.value(), identity.member, identity.name);
  return text + fmt::format("checksum {:016x}\n", hash64(text));
}

Result<Identity> parse_identity(const std::string& text) {
  std::istringstream in(text);
  std::string magic, cluster, member, name;
  int version = 0;
  Identity identity;
  std::uint64_t cluster_id = 0;
  std::uint64_t member_id = 0;
  in >> magic >> version >> cluster >> std::hex >> cluster_id >> member >> std::dec >> member_id >>
      name >> identity.name;
  if (!in || magic != "coord-data") {
    return make_error(ErrorCode::kCorrupt, "it is not the identity of a member");
  }
  if (version != kFormatVersion) {
    return make_error(ErrorCode::kUnsupported, "it has format {}, this version of coordd knows {}",
                      version, kFormatVersion);
  }
  identity.cluster = ClusterId(cluster_id);
  identity.member = MemberId(member_id);
  if (to_text(identity) != text) {
    return make_error(ErrorCode::kCorrupt, "its checksum is wrong: it was damaged or edited");
  }
  return identity;
}

Result<DataDirectory> DataDirectory::open(const fs::path& given, const Identity& identity) {
  std::error_code error;
  const fs::path path = fs::absolute(given, error);
  fs::create_directories(path, error);
  if (error) {
    return make_error(ErrorCode::kIo, "cannot create the data directory {}: {}", path.string(),
                      error.message());
  }
  auto lock = take_lock(path / "lock");
  if (!lock) return lock.error();
  DataDirectory directory(path, *lock);
  if (Status status = establish_identity(path, identity); !status.ok()) return status.error();
  return directory;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace coord::service

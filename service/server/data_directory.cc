#include "service/server/data_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "service/server/durable_file.h"
#include "service/store/files.h"

namespace coord::service {

namespace fs = std::filesystem;

namespace {

constexpr int kFormatVersion = 6;

Result<int> take_lock(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return file_error("open", path);
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  const Error error =
      errno == EWOULDBLOCK
          ? make_error(ErrorCode::kInUse, "the data directory {} is in use by another process",
                       path.parent_path().string())
          : file_error("lock", path);
  ::close(file);
  return error;
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

// True if it is new.
Result<bool> establish_identity(const fs::path& path, const Identity& wanted) {
  const auto found = DataDirectory::look(path);
  if (!found) return found.error();
  if (*found) {
    if (Status same = same_identity(path, **found, wanted); !same.ok()) return same.error();
    return false;
  }
  std::error_code error;
  if (fs::exists(path / "log", error) || fs::exists(path / "state", error)) {
    return make_error(
        ErrorCode::kCorrupt,
        "the data directory {} has a log or a state but no identity: it cannot be told "
        "whose they are",
        path.string());
  }
  if (Status written = replace_file(path / "identity", to_text(wanted)); !written.ok()) {
    return written.error();
  }
  return true;
}

Result<bool> look_for(const fs::path& file) {
  const auto found = read_file(file);
  if (!found) return found.error();
  return found->has_value();
}

}  // namespace

std::string to_text(const Identity& identity) {
  std::string text =
      fmt::format("coord-data {}\ncluster {:016x}\nmember {:016x}\nname {}\nincarnation {:016x}\n",
                  kFormatVersion, identity.cluster.value(), identity.member.value(), identity.name,
                  identity.incarnation.value());
  for (const auto& [id, member] : identity.initial) {
    text += fmt::format("initial {:016x} {} {}\n", id.value(), member.name, member.peer_address);
  }
  return with_checksum(text);
}

Result<Identity> parse_identity(const std::string& text) {
  std::istringstream in(text);
  std::string magic, cluster, member, name, incarnation;
  int version = 0;
  std::uint64_t cluster_id = 0;
  std::uint64_t member_id = 0;
  std::uint64_t incarnation_id = 0;
  Identity identity;
  in >> magic >> version;
  if (!in || magic != "coord-data") {
    return make_error(ErrorCode::kCorrupt, "it is not the identity of a member");
  }
  if (version != kFormatVersion) {
    return make_error(ErrorCode::kUnsupported, "it has format {}, this version of coordd knows {}",
                      version, kFormatVersion);
  }
  in >> cluster >> std::hex >> cluster_id >> member >> member_id >> name >> identity.name >>
      incarnation >> incarnation_id;
  identity.cluster = ClusterId(cluster_id);
  identity.member = MemberId(member_id);
  identity.incarnation = Incarnation(incarnation_id);
  for (std::string word; in >> word && word == "initial";) {
    std::uint64_t id = 0;
    InitialMember initial;
    in >> id >> initial.name >> initial.peer_address;
    identity.initial.emplace(MemberId(id), std::move(initial));
  }
  if (to_text(identity) != text) {
    return make_error(ErrorCode::kCorrupt, "its checksum is wrong: it was damaged or edited");
  }
  return identity;
}

Result<std::optional<Identity>> DataDirectory::look(const fs::path& path) {
  const fs::path file = path / "identity";
  const auto text = read_file(file);
  if (!text) return text.error();
  if (!*text) return std::optional<Identity>();
  auto found = parse_identity(**text);
  if (!found) {
    return make_error(found.error().code, "{}: {}", file.string(), found.error().message);
  }
  return std::optional<Identity>(std::move(*found));
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
  const auto is_new = establish_identity(path, identity);
  if (!is_new) return is_new.error();
  directory.is_new_ = *is_new;
  const auto removed = read_file(path / "removed");
  if (!removed) return removed.error();
  if (*removed) return make_error(ErrorCode::kMemberRemoved, "{}", **removed);
  const auto begun = look_for(path / "begun");
  if (!begun) return begun.error();
  directory.begun_ = *begun;
  if (directory.begun_ &&
      (!fs::exists(directory.log(), error) || fs::is_empty(directory.log(), error))) {
    return make_error(ErrorCode::kCorrupt,
                      "the data directory {} has lost its log, and with it what this member has "
                      "promised: it must not take part any more. Remove it from the cluster "
                      "(coordctl member remove {}), and let it enter again with an empty data "
                      "directory and --join",
                      path.string(), identity.name);
  }
  return directory;
}

Status DataDirectory::mark_begun() {
  if (begun_) return Status::success();
  Status marked = replace_file(path_ / "begun", "this member has a log\n");
  begun_ = marked.ok();
  return marked;
}

Status DataDirectory::mark_removed(const std::string& why) const {
  return replace_file(path_ / "removed", why);
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      is_new_(other.is_new_),
      begun_(other.begun_) {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  std::swap(is_new_, other.is_new_);
  std::swap(begun_, other.begun_);
  return *this;
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace coord::service

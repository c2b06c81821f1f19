// The directory that a member keeps its data in, and whose it is.
//
//   identity   which member of which cluster this is; written once
//   lock       held by the process that uses the directory
//   log/       raft/storage
//   state/     service/store
//   snapshot/  snapshots on their way, of no use to a later process
//   snapshot/  snapshots on their way, out and in; nothing in it outlives a process
//
// The identity is what keeps a member from continuing with another one's vote and log (a disk that
// was swapped, a flag that was mistyped): both would break consensus silently.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "raft/base/result.h"
#include "raft/base/types.h"

namespace coord::service {

struct Identity {
  ClusterId cluster;
  MemberId member;
  std::string name;

  friend bool operator==(const Identity&, const Identity&) = default;
};

// As the file has it, and back; an error of code kCorrupt if it is not one.
std::string to_text(const Identity& identity);
Result<Identity> parse_identity(const std::string& text);

// Holds the directory's lock for as long as it lives.
class DataDirectory {
 public:
  // Creates what is not there. Errors: kInUse, kWrongCluster, kWrongMember, kCorrupt, kIo.
  static Result<DataDirectory> open(const std::filesystem::path& path, const Identity& identity);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) noexcept;
  ~DataDirectory();

  std::filesystem::path log() const { return path_ / "log"; }
  std::filesystem::path state() const { return path_ / "state"; }
  std::filesystem::path snapshot() const { return path_ / "snapshot"; }
  std::filesystem::path snapshots() const { return path_ / "snapshot"; }

 private:
  DataDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace coord::service

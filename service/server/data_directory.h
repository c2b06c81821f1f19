// The directory that a member keeps its data in, and whose it is.
//
//   identity   which member of which cluster this is; written once
//   lock       held by the process that uses the directory
//   met        the other members' incarnations (incarnations.h)
//   begun      there, once the member takes part in consensus: from then on it has a log
//   removed    there, once the member was removed from its cluster: why it does not start any more
//   log/       raft/storage
//   state/     service/store
//   snapshot/  snapshots on their way, out and in; nothing in it outlives a process
//
// The identity is what keeps a member from continuing with another one's vote and log (a disk that
// was swapped, a flag that was mistyped): both would break consensus silently. It also holds what a
// start with other flags must not change: the cluster's first members, from which the log begins.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "raft/base/result.h"
#include "raft/base/types.h"

namespace coord::service {

struct InitialMember {
  std::string name;
  std::string peer_address;

  friend bool operator==(const InitialMember&, const InitialMember&) = default;
};

struct Identity {
  ClusterId cluster;
  MemberId member;
  std::string name;
  Incarnation incarnation;
  // The members that the cluster began with. Empty for one that joined it later: it learns from the
  // log who takes part.
  std::map<MemberId, InitialMember> initial = {};

  bool joined() const { return initial.empty(); }

  friend bool operator==(const Identity&, const Identity&) = default;
};

// As the file has it, and back; an error of code kCorrupt if it is not one.
std::string to_text(const Identity& identity);
Result<Identity> parse_identity(const std::string& text);

// Holds the directory's lock for as long as it lives.
class DataDirectory {
 public:
  // Whose it is, without touching it; nothing if it is nobody's yet. Errors: kCorrupt, kIo,
  // kUnsupported.
  static Result<std::optional<Identity>> look(const std::filesystem::path& path);
  // Creates what is not there. Errors: kInUse, kWrongCluster, kWrongMember, kCorrupt, kIo; and
  // kMemberRemoved, with what was given to mark_removed(). kCorrupt, too, if the member has begun
  // and its log is gone: it has forgotten its vote and what it acknowledged.
  static Result<DataDirectory> open(const std::filesystem::path& path, const Identity& identity);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) noexcept;
  ~DataDirectory();

  std::filesystem::path log() const { return path_ / "log"; }
  std::filesystem::path state() const { return path_ / "state"; }
  std::filesystem::path snapshot() const { return path_ / "snapshot"; }
  std::filesystem::path met() const { return path_ / "met"; }
  // The directory was nobody's before open().
  bool is_new() const { return is_new_; }
  // This member takes part in consensus, or may from now on.
  bool begun() const { return begun_; }
  [[nodiscard]] Status mark_begun();
  // This member has no part in its cluster any more, for good.
  [[nodiscard]] Status mark_removed(const std::string& why) const;

 private:
  DataDirectory(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
  bool is_new_ = false;
  bool begun_ = false;
};

}  // namespace coord::service

// The replicated state of a simulation: objects, and sessions whose numbered commands take effect
// once and get the same answer however often they are tried. Small, and equal to another one if and
// only if its digest is. Deterministic: what is in an entry is all that decides.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "raft/base/bytes.h"
#include "raft/core/core.h"
#include "tests/sim/object.h"

namespace coord::sim {

struct Command {
  std::uint32_t key = 0;
  std::uint32_t session = 0;   // zero: nobody's
  std::uint32_t sequence = 0;  // within the session, from 1
  Request request = {};
  // The proposing member's wall clock. It may jump; the state keeps the largest.
  std::uint64_t stamp = 0;
};
// At least `bytes` long.
Bytes encode(const Command& command, std::size_t bytes = 0);
Command decode_command(std::span<const std::byte> bytes);

// A change of an object, as watchers are told.
struct Change {
  std::uint64_t revision = 0;
  std::uint32_t key = 0;
  Object object;

  friend bool operator==(const Change&, const Change&) = default;
};

class State {
 public:
  // What stands before the first entry.
  State(raft::LogId base, raft::Configuration configuration)
      : applied_(base), configuration_(std::move(configuration)) {}

  struct Applied {
    Answer answer;
    bool executed = false;  // else it was a repetition, or no command
  };
  Applied apply(const raft::Entry& entry);

  // A snapshot; what is read back is equal.
  Bytes to_bytes() const;
  static State from_bytes(std::span<const std::byte> bytes);

  raft::LogId applied() const { return applied_; }
  const raft::Configuration& configuration() const { return configuration_; }
  // Was a member, and is none any more.
  bool is_removed(MemberId id) const {
    return std::find(removed_.begin(), removed_.end(), id) != removed_.end();
  }
  // Over everything that was ever applied, and what came of it.
  std::uint64_t digest() const { return digest_; }
  Object object(std::uint32_t key) const {
    return key < objects_.size() ? objects_[key] : Object{};
  }
  // The number of changes so far; each has its own revision.
  std::uint64_t revision() const { return revision_; }
  // Nothing, if it has passed or has not come.
  std::optional<Change> change(std::uint64_t revision) const;

 private:
  struct Session {
    std::uint32_t sequence = 0;
    Answer answer;
  };
  static constexpr std::size_t kChangesKept = 64;

  Applied execute(const Command& command);
  void mix(std::uint64_t value) { digest_ = (digest_ ^ value) * 0x9e3779b97f4a7c15u + 1; }

  raft::LogId applied_;
  raft::Configuration configuration_;
  std::vector<MemberId> removed_;
  std::uint64_t digest_ = 0;
  std::uint64_t stamp_ = 0;
  std::uint64_t revision_ = 0;
  std::vector<Object> objects_;
  std::vector<Session> sessions_;
  std::array<Change, kChangesKept> changes_;  // the newest, by revision
};

}  // namespace coord::sim

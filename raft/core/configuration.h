// Who takes part (Raft §4.3), and as which bytes the log keeps it.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "raft/base/bytes.h"
#include "raft/core/types.h"

namespace coord::raft {

// `outgoing` is empty except while a joint configuration is in force; then every decision needs a
// majority of `voters` and a majority of `outgoing`. Learners receive entries and are counted
// nowhere; one that is among `outgoing` too is a voter that is being made a learner. All lists are
// sorted and hold no duplicates; nobody is among `voters` and `learners` at once.
struct Configuration {
  std::vector<MemberId> voters;
  std::vector<MemberId> outgoing;
  std::vector<MemberId> learners;
  // HOST:PORT of members' peer ports. Consensus never looks at them: they travel with the
  // configuration so that it can be acted upon from the moment that it is in force.
  std::map<MemberId, std::string> addresses;

  bool is_joint() const { return !outgoing.empty(); }
  bool is_voter(MemberId id) const;
  bool contains(MemberId id) const;
  // Every member once, sorted.
  std::vector<MemberId> members() const;
  // With the same voters in both, no joint configuration has to lie between them.
  bool has_same_voters(const Configuration& other) const { return voters == other.voters; }

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// A configuration that is as described above, within the bounds of raft/base/limits.h, and in which
// only members have addresses. One without voters is sound only if it is empty.
bool is_sound(const Configuration& configuration);

// The payload of a kConfiguration entry: a format of its own, little-endian, versioned.
Bytes encode(const Configuration& configuration);
// Nothing, if it is not a sound configuration.
std::optional<Configuration> decode_configuration(std::span<const std::byte> bytes);

}  // namespace coord::raft

// What the consensus core is about: entries, positions, hard state, configurations.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>

#include "raft/base/bytes.h"
#include "raft/base/types.h"

namespace coord::raft {

// A position in some log: an index alone does not say which entry is meant, with the term it does
// (Log Matching, Raft §3.5). Ordered as logs are compared in an election (Raft §3.6.1).
struct LogId {
  Term term{};
  Index index{};

  friend constexpr auto operator<=>(const LogId&, const LogId&) = default;
};

// What must survive a crash besides the log (Raft §3.8, figure 3.1). One record, never two: a term
// without its vote would let the member vote twice.
struct HardState {
  Term term{};
  MemberId vote{};  // zero: has not voted in this term

  friend bool operator==(const HardState&, const HardState&) = default;
};

// The numbers are in the log on disk and never change.
enum class EntryType : std::uint8_t {
  kNoop = 0,           // a leader's first entry in its term (Raft §3.6.2, §6.4)
  kCommand = 1,        // for the state machine
  kConfiguration = 2,  // an encoded Configuration, effective when appended (Raft §4.1)
};

struct Entry {
  LogId id;
  EntryType type = EntryType::kNoop;
  Bytes payload;  // aligned to 8 bytes and a multiple of 8 long, if it is a Cap'n Proto message

  friend bool operator==(const Entry&, const Entry&) = default;
};

enum class RoleName : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
std::string_view to_string(RoleName role);

}  // namespace coord::raft

template <>
struct fmt::formatter<coord::raft::LogId> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const coord::raft::LogId& id, Context& context) const {
    return fmt::format_to(context.out(), "{}@{}", id.index, id.term);
  }
};

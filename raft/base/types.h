// The quantities that every part of Coord speaks of, each with a type of its own.
#pragma once

#include <chrono>
#include <string_view>

#include "raft/base/strong.h"

namespace coord {

// Raft's logical clock (Raft §3.3). 0 is before the first election.
using Term = Strong<struct TermTag>;
// A position in the log (Raft §3.1). The first entry is 1; 0 is the position before it.
using Index = Strong<struct IndexTag>;
// A server of the cluster. 0 is nobody (no vote, no known leader). Most are drawn at random: in
// text they are hexadecimal, everywhere.
using MemberId = Strong<struct MemberIdTag>;
// One life of a member's disk: drawn at random when the disk was new, and never again.
using Incarnation = Strong<struct IncarnationTag>;
// One cluster; a message or a data directory of another one is refused.
using ClusterId = Strong<struct ClusterIdTag>;

// The version of the key namespace: each write transaction that changes something takes the next.
// 0 is the empty namespace before any change.
using Revision = Strong<struct RevisionTag>;
// A lease, and the session that it carries. 0 is none.
using LeaseId = Strong<struct LeaseIdTag>;
// A fencing token: the revision of the grant. Grows with every grant of a lock.
using LockToken = Strong<struct LockTokenTag>;
// The number of a request within its session; starts at 1. 0 is none.
using Sequence = Strong<struct SequenceTag>;

// Monotonic time as the loop sees it. The type has no now(): time is always passed in.
struct MonotonicTime {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTime>;
  static constexpr bool is_steady = true;
};
using Duration = MonotonicTime::duration;
using Instant = MonotonicTime::time_point;

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

}  // namespace coord

template <>
struct fmt::formatter<coord::MemberId> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(coord::MemberId id, Context& context) const {
    return fmt::formatter<std::string_view>::format(fmt::format("{:x}", id.value()), context);
  }
};

// What a member knows because of the role it is in. Each role has only its own data: what another
// role knew is gone with it.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <variant>

#include "raft/core/progress.h"
#include "raft/core/reads.h"

namespace coord::raft {

// A campaign after the leader's connection closed goes in short steps: another member may notice
// the close a little later than this one and refuse until then. This many such steps follow a
// refusal before the full election timeout is waited for again.
inline constexpr int kHurriedTries = 4;

// Somebody who was removed is told so for that many of the longest election timeouts.
inline constexpr int kFarewellTimeouts = 2;

struct Follower {
  MemberId leader;  // of this term; zero if unknown
  // When the leader was last heard. Within the minimum election timeout of that, nobody else is
  // helped to leadership (Raft §4.2.3). Forgotten when its connection closes.
  std::optional<Instant> heard;
  // What was sent to the leader may be lost; nothing is asked of it until it is heard again.
  bool unreachable = false;
  Instant deadline;
  int hurried_tries = 0;
};

// Asks whether a campaign could be won before it disturbs anyone (Raft §9.6).
struct PreCandidate {
  std::map<MemberId, bool> votes;  // true: granted
  Instant deadline;
  int hurried_tries = 0;
};

struct Candidate {
  std::map<MemberId, bool> votes;
  Instant deadline;
  int hurried_tries = 0;
  // The candidate's own vote counts, and the requests for others' leave, once this is durable.
  Ticket own_vote;
};

// Leadership on its way to another member (Raft §3.10).
struct Handover {
  MemberId target;
  Instant deadline;  // then this member goes on leading
};

struct Leader {
  explicit Leader(std::size_t reads_waiting_max) : reads(reads_waiting_max) {}

  std::map<MemberId, Progress> peers;  // every member but this one
  Index first_of_term;                 // the no-op that began this leadership
  bool confirmed = false;              // it is committed (Raft §6.4)
  Round round{};                       // the newest that was started
  LeaderReads reads;
  Instant heartbeat_due;
  std::optional<Handover> handover;
  // The committed configuration does not have this member for a voter: it goes as soon as it has
  // said so (Raft §4.2.2).
  bool voted_out = false;
  // When rounds were started: from then on counts what their acknowledgement promises. Kept only
  // for reads under a lease.
  struct RoundStart {
    Round round;
    Instant at;
  };
  std::deque<RoundStart> round_starts;
  // Somebody was told to campaign at once, whatever others have promised. The message may arrive at
  // any time, so there is no lease any more in this leadership (Raft §6.4.1).
  bool lease_void = false;
  std::size_t uncommitted_bytes = 0;  // the sum of cost_of() over entries above the commit index
};

using Role = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace coord::raft

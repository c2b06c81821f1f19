// What a core wants done. Obligations of order are types: what may leave at once and what has to
// wait for the disk are different fields, and the driver cannot mix them up by accident.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "raft/core/event.h"
#include "raft/core/message.h"
#include "raft/core/types.h"

namespace coord::raft {

// To be made durable as one unit, in this order: truncate, append, hard state.
struct Durable {
  Ticket ticket;
  // Remove all entries from this index on (a conflict, Raft §3.5), durably, before appending.
  std::optional<Index> truncate_from;
  std::vector<Entry> append;
  std::optional<HardState> hard_state;
};

// May leave only once Persisted{ticket} has been reported, or a later ticket.
struct HeldMessage {
  Ticket ticket;
  Message message;
};

// Why a proposal or a read was refused; in every case nothing was appended.
enum class Refusal : std::uint8_t {
  kNotLeader,
  kOverloaded,    // too many bytes appended and not committed
  kTransferring,  // leadership is being handed over
  kNoLeader,      // a read on a member that knows of no leader
  kLostLeader,    // a read that was waiting when its leadership ended
};

struct ProposalAnswer {
  ProposalId id;
  // The place in the log, or why there is none. An accepted proposal is not yet committed: if
  // another entry is ever committed at its index, it has failed for good.
  std::variant<LogId, Refusal> answer;
};

struct ReadAnswer {
  ReadId id;
  // The read may be served once the state machine has applied through that index.
  std::variant<Index, Refusal> answer;
};

// Entries that a peer needs and the core no longer has in memory: read them from the durable log
// and report Loaded. At most one per peer is outstanding.
struct Load {
  MemberId peer;
  Index from;
  Index through;
  std::size_t bytes_max;
};

// Facts, for the driver to log and count and for tests to assert on.
struct BecameFollower {
  Term term;
  MemberId leader;
};
struct BecamePreCandidate {
  Term term;
};
struct BecameCandidate {
  Term term;
};
struct BecameLeader {
  Term term;
};
// The leader has an entry of its own term committed: reads and expiry may begin (Raft §6.4).
struct LeadershipConfirmed {
  Term term;
};
struct SteppedDown {
  Term term;
  bool quorum_lost;
};
struct LeaderLearned {
  Term term;
  MemberId leader;
};
struct Truncated {
  Index from;
};
struct MessageRefused {
  MemberId from;
  enum class Reason : std::uint8_t {
    kWrongCluster,
    kWrongMember,
    kUnknownSender,
    kMalformed
  } reason;
};
// A peer needs entries that were cut from the log: it needs a snapshot.
struct PeerNeedsSnapshot {
  MemberId peer;
};
using Fact = std::variant<BecameFollower, BecamePreCandidate, BecameCandidate, BecameLeader,
                          LeadershipConfirmed, SteppedDown, LeaderLearned, Truncated,
                          MessageRefused, PeerNeedsSnapshot>;

struct Output {
  std::vector<Message> send;
  std::optional<Durable> durable;
  std::vector<HeldMessage> held;
  // Entries newly committed and durable on this member, in order, each exactly once: apply them.
  std::vector<Entry> committed;
  std::vector<ProposalAnswer> proposals;
  std::vector<ReadAnswer> reads;
  std::vector<Load> loads;
  std::vector<Fact> facts;

  bool empty() const {
    return send.empty() && !durable && held.empty() && committed.empty() && proposals.empty() &&
           reads.empty() && loads.empty() && facts.empty();
  }
};

}  // namespace coord::raft

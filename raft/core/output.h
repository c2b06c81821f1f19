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

// To be made durable as one unit, in this order: hard state, reset, truncate, append. So whatever
// part of it a crash leaves, no entry is of a term that the member has not seen.
struct Durable {
  Ticket ticket;
  // Remove all entries: the log begins anew after this one, which a snapshot contains. Durable
  // after that snapshot is; should a crash come between them, restore() does it.
  std::optional<LogId> reset_to = {};
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
  // Of changes of the configuration and of transfers.
  kNotReady,          // no entry of the leader's term is committed yet
  kChangeInFlight,    // the change before this one is not finished
  kBadConfiguration,  // it is not sound, is joint, or changes nothing
  kNotCaughtUp,       // a new voter is no learner that has the log but for the last moments of it
  kWouldLoseQuorum,   // a majority of the new voters is not heard
  kBadTarget,         // no voter, not heard, or the leader itself
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

// That a peer needs a snapshot, or needs it no more (it has that one, has left, or leadership is
// over). The driver reads the newest one, beside the loop, and hands it over in pieces
// (SnapshotRead) as fast as the peer stores them (`Output::stored`), again those that were lost.
// Should the log be cut further meanwhile than that snapshot reaches, both are said, in this order:
// no more of the old one, and a newer one is wanted.
struct Transfer {
  MemberId peer;
  bool wanted = false;
  Index at_least{};  // the snapshot has to reach there, for the log to go on from it
};
// A peer has stored so much of the snapshot that it is sent.
struct StoredByPeer {
  MemberId peer;
  LogId last;
  std::uint64_t received = 0;
};
// A piece of a snapshot that arrived: store it and report SnapshotStored, then SnapshotReceived.
struct ArrivedChunk {
  MemberId from;
  SnapshotChunk chunk;
};
// Replace the state machine's state by the snapshot that was received, durably, and report
// SnapshotInstalled. No entry is handed out before that.
struct Install {
  LogId last;
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
// In force from now on: appended, taken from a leader's log, or back after a truncation.
struct ConfigurationChanged {
  Index index;
  Configuration configuration;
};
// The committed configuration has this member no more: it has nothing left to do.
struct Removed {
  Index index;
};
struct TransferStarted {
  MemberId target;
};
// The target did not take over in time; this member goes on leading.
struct TransferFailed {
  MemberId target;
};
// The log goes on from a snapshot; `kept` if entries after it were kept (Raft §5.1).
struct SnapshotTaken {
  LogId last;
  bool kept;
};
using Fact = std::variant<BecameFollower, BecamePreCandidate, BecameCandidate, BecameLeader,
                          LeadershipConfirmed, SteppedDown, LeaderLearned, Truncated,
                          MessageRefused, PeerNeedsSnapshot, ConfigurationChanged, Removed,
                          TransferStarted, TransferFailed, SnapshotTaken>;

struct Output {
  std::vector<Message> send;
  std::optional<Durable> durable;
  std::vector<HeldMessage> held;
  // Entries newly committed and durable on this member, in order, each exactly once: apply them.
  std::vector<Entry> committed;
  std::vector<ProposalAnswer> proposals;
  std::vector<ReadAnswer> reads;
  std::vector<Load> loads;
  std::vector<Transfer> transfers;
  std::vector<StoredByPeer> stored;
  std::vector<ArrivedChunk> chunks;
  std::optional<Install> install;
  std::vector<Fact> facts;

  bool empty() const {
    return send.empty() && !durable && held.empty() && committed.empty() && proposals.empty() &&
           reads.empty() && loads.empty() && transfers.empty() && stored.empty() &&
           chunks.empty() && !install && facts.empty();
  }
};

}  // namespace coord::raft

// What can happen to a core. A recorded list of (time, event) replays any run exactly.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "raft/core/configuration.h"
#include "raft/core/message.h"

namespace coord::raft {

// Names a batch of durable work. Strictly increasing within the life of a core.
using Ticket = Strong<struct TicketTag>;
// Chosen by the driver to recognize its proposal in the output.
using ProposalId = Strong<struct ProposalIdTag>;

// Time has passed; `now` is beside the event. To be sent at or after Core::deadline().
struct Tick {};

struct Receive {
  Message message;
};

// Commands to append, in order. Answered in the same step, in Output::proposals.
struct Propose {
  ProposalId id;
  Bytes command;
};

// Has the members become these (Raft §4): `target` is no joint configuration; the leader goes
// through one by itself where voters come or go. Answered in the same step; accepted means
// appended, and in force, but not yet committed.
struct ChangeConfiguration {
  ProposalId id;
  Configuration target;
};

// Hands leadership to that voter, or to the one that is best prepared if it is zero (Raft §3.10).
// Answered in the same step with the last entry that the target has to have. Ends in a new
// leadership, or in TransferFailed after an election timeout; proposals are refused meanwhile.
struct TransferLeadership {
  ProposalId id;
  MemberId target;
};

// A linearizable read wants to know from which applied index on it may answer (Raft §6.4). Answered
// in some later Output::reads, or refused.
struct Read {
  ReadId id;
};

// All that the output with that ticket, and every earlier one, asked to be durable now is.
// Completions arrive in order of tickets; a later one implies the earlier ones.
struct Persisted {
  Ticket ticket;
};

// The state machine has applied through that index.
struct Applied {
  Index through;
};

// The connection to that member was closed by its side, as when its process ends. A hint, not a
// fact: from the leader's side it makes a follower forget that it heard from the leader and start
// a PreVote after a short random delay.
struct PeerClosed {
  MemberId peer;
};

// A message to that member may have been lost (its queue overflowed, its connection broke): stop
// counting on what is in flight and probe again.
struct PeerUnreachable {
  MemberId peer;
};

// Answer to Output::Load: entries from the disk, starting at the index that was asked for, as many
// as fitted; `previous` is the entry before them.
struct Loaded {
  MemberId peer;
  LogId previous;
  std::vector<Entry> entries;
};

// The durable log no longer holds entries up to and including `through`; a peer that needs one of
// them can no longer be served by appending.
struct LogCut {
  LogId through;
};

// Answers to Output::transfers: a piece to be sent, or the snapshot cannot be had now.
struct SnapshotRead {
  MemberId peer;
  SnapshotChunk chunk;
};
struct SnapshotFailed {
  MemberId peer;
};

// Of the snapshot that `from` sends, so much is stored (Output::chunks).
struct SnapshotStored {
  MemberId from;
  LogId last;
  std::uint64_t received = 0;
};
// It is here, whole and verified. `configuration` is the one in force at `last`.
struct SnapshotReceived {
  LogId last;
  Configuration configuration;
};
// Answer to Output::install: the state machine durably is the snapshot's.
struct SnapshotInstalled {
  LogId last;
};

using Event =
    std::variant<Tick, Receive, Propose, ChangeConfiguration, TransferLeadership, Read, Persisted,
                 Applied, PeerClosed, PeerUnreachable, Loaded, LogCut, SnapshotRead, SnapshotFailed,
                 SnapshotStored, SnapshotReceived, SnapshotInstalled>;

}  // namespace coord::raft

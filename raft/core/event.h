// What can happen to a core. A recorded list of (time, event) replays any run exactly.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

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

using Event = std::variant<Tick, Receive, Propose, Read, Persisted, Applied, PeerClosed,
                           PeerUnreachable, Loaded, LogCut>;

}  // namespace coord::raft

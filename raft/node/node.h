// The driver around the core: feeds it time, messages and completions, and carries out what it
// wants, in the order that safety demands. It holds no policy of its own.
//
// Loop thread only. Work goes at the node's own pace: events that arrive within one turn of the
// loop are stepped as they come, and pump(), called once at the end of the turn, takes the output,
// hands one batch to the log and one list of messages to each peer, and applies what is committed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "raft/base/result.h"
#include "raft/core/core.h"
#include "raft/node/snapshot_sender.h"
#include "raft/node/snapshots.h"

namespace spdlog {
class logger;
}

namespace coord::raft {

// The durable log as the node sees it (LogWriter, or a simulated one).
class DurableLog {
 public:
  virtual ~DurableLog() = default;
  // Answered by Node::persisted(ticket).
  virtual void submit(Durable batch) = 0;
  // Answered by Node::loaded().
  virtual void load(Load request) = 0;
  // Answered by Node::log_cut().
  virtual void cut(Index through) = 0;
};

// The other members as the node sees them (raft/transport, or a simulated network). Never blocks;
// what cannot be sent is dropped, and reported by Node::peer_unreachable().
class PeerLinks {
 public:
  virtual ~PeerLinks() = default;
  // All messages of one turn, in order; the receiver may differ from message to message.
  virtual void send(std::vector<Message> messages) = 0;
};

// The replicated state machine.
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  // Entries in order, each once. Entries that are no commands are passed too: they take an index.
  virtual void apply(std::span<const Entry> entries) = 0;
  // It has to do something else first. Nothing is applied meanwhile; pump() has to be called when
  // that is over.
  virtual bool busy() const { return false; }
};

// Who wants to know what happens to leadership (lease expiry, the API's waiting requests). Called
// within pump(), after the effects of the same output were carried out.
class NodeObserver {
 public:
  virtual ~NodeObserver() = default;
  virtual void on_fact(const Fact& fact) = 0;
};

// What a node has done since it was made, for metrics.
struct NodeCounters {
  std::uint64_t proposals = 0;
  std::uint64_t proposals_refused = 0;
  std::uint64_t reads = 0;
  std::uint64_t reads_refused = 0;
  std::uint64_t read_requests = 0;  // asked of the core: reads of one turn share one
  std::uint64_t messages_received = 0;
  std::uint64_t messages_refused = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t log_batches = 0;
  std::uint64_t log_entries = 0;
  std::uint64_t log_loads = 0;
  std::uint64_t entries_applied = 0;
  std::uint64_t elections = 0;           // that this member campaigned in
  std::uint64_t leaderships = 0;         // of this member
  std::uint64_t leadership_changes = 0;  // that this member saw, its own included
  std::uint64_t snapshots_sent = 0;
  std::uint64_t snapshots_installed = 0;
};

struct NodeOptions {
  CoreOptions core;
  SnapshotSendOptions snapshots = {};
  // Of the log behind the last flush so much is kept for members that lag behind; a member that
  // needs more is sent a snapshot. While one is being sent, up to four times as much.
  std::uint64_t log_bytes_kept = limits::kLogBytesKept;
  // Entries that every member has and that are kept in the log all the same, and their bytes.
  std::uint64_t log_entries_kept = limits::kLogEntriesKept;
  std::uint64_t log_tail_bytes_max = limits::kLogTailBytesMax;
};

class Node {
 public:
  struct Dependencies {
    DurableLog& log;
    PeerLinks& peers;
    StateMachine& state_machine;
    NodeObserver& observer;
    SnapshotStore& snapshots;
    // The time as of now. Without it events carry the time of the last pump(), and a process that
    // was stopped for a while takes what had arrived meanwhile for older than it is.
    std::function<Instant()> clock = {};
    // Borrowed; the default logger if null.
    spdlog::logger* logger = nullptr;
  };

  Node(NodeOptions options, Restored restored, Dependencies dependencies, Instant now);
  // Reads that still wait get kCancelled.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // --- For the service above -----------------------------------------------------------------

  // Appends a command if this member is the leader. The LogId names its place: if the entry applied
  // at that index has this term, the command was applied; if another was, it never will be.
  // The error says kNotLeader or kOverloaded; in both cases nothing was appended.
  Result<LogId> propose(Bytes command);

  // Has the members become these (Raft §4), if this member is the leader: the LogId of the entry
  // that is in force from now on. It is done when the entry is committed and, where voters have
  // changed, the one that ends the joint configuration is. Errors: kNotLeader, kNoQuorum,
  // kChangeInFlight, kInvalidArgument, kNotCaughtUp, kWouldLoseQuorum.
  Result<LogId> change_configuration(Configuration target);
  // Hands leadership over (Raft §3.10), to the member that is best prepared if `target` is zero.
  // It is done when another member leads; it has failed when the fact TransferFailed is reported.
  // Errors: kNotLeader, kNoQuorum, kInvalidArgument.
  Status transfer_leadership(MemberId target);

  // Calls `done` once this member has applied everything that a linearizable read has to see
  // (Raft §6.4), or with kNotLeader / kNoQuorum / kCancelled. Any member may ask: others than the
  // leader ask the leader for the index. Reads that wait at the same time share one round. `done`
  // runs exactly once, within pump() or ~Node(), and may call the node.
  void read_gate(std::function<void(Status)> done);

  CoreStatus status() const;
  // To look at, for tests and simulations.
  const Core& core() const;
  RoleName role() const;
  Term term() const;
  MemberId leader() const;
  bool confirmed_leader() const;
  Index applied() const;
  const NodeCounters& counters() const;

  // Lets the log be cut up to `through`, which the state has durably (a flush), and never past it.
  // The node cuts as far as every member of the configuration has the entries (a leader knows; a
  // follower learns of it from the leader's reports), and further where more than
  // NodeOptions::log_bytes_kept would be kept for those who lag behind.
  void flushed(LogId through);

  // --- For the loop and the helpers around it ------------------------------------------------

  void receive(Message message);
  void persisted(Ticket ticket);
  void loaded(MemberId peer, Result<Loaded> entries);
  void log_cut(Index first_kept);
  void peer_closed(MemberId peer);
  void peer_unreachable(MemberId peer);

  // Call at the end of each turn of the loop, and at deadline() at the latest. Takes about a
  // millisecond at most: what is committed is applied in slices, and while some is left, deadline()
  // is now. Cheap if there is nothing to do.
  void pump(Instant now);
  Instant deadline() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::raft

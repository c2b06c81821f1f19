// The consensus algorithm of Ongaro's dissertation as a pure state machine with two doors: step()
// takes an event in, take_output() gives out what is to be done. No clock, randomness, thread,
// logger or I/O: time and the seed are inputs, and equal inputs give equal outputs, bit for bit.
//
// Owned by raft/node (or a simulation); one thread. Several events may be stepped before the output
// is taken; what they want done has then been merged into one Output.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "raft/base/limits.h"
#include "raft/core/event.h"
#include "raft/core/output.h"
#include "raft/core/types.h"

namespace coord::raft {

struct CoreOptions {
  ClusterId cluster;
  MemberId self;
  Duration heartbeat_interval = milliseconds(50);
  // Election timeouts are drawn from [election_timeout_min, election_timeout_max) for every wait
  // (Raft §3.4). CheckQuorum and leader stickiness use the minimum (Raft §4.2.3, §6.2).
  Duration election_timeout_min = milliseconds(500);
  Duration election_timeout_max = milliseconds(1000);
  // After PeerClosed from the leader: the PreVote starts after a delay drawn from this range.
  Duration closed_delay_min = milliseconds(1);
  Duration closed_delay_max = milliseconds(30);
  std::size_t append_bytes_max = limits::kAppendBytesMax;
  std::size_t inflight_appends_max = limits::kInflightAppendsMax;
  std::size_t inflight_bytes_max = limits::kInflightBytesMax;
  std::size_t uncommitted_bytes_max = limits::kUncommittedBytesMax;
  // Committed, applied and durable entries are kept in memory up to about this much, for followers
  // that are a little behind; older ones are loaded from disk.
  std::size_t cached_log_bytes_max = limits::kInflightBytesMax;
  // Linearizable reads need no round while a majority of followers has promised, by hearing this
  // leader, not to elect another one for an election timeout (Raft §6.4.1). Rests on clocks: in an
  // election timeout no member's clock may gain on another's by more than
  // `clock_drift_percent_max`. Has to be set on every member, with the same `election_timeout_min`:
  // one that promises less makes reads of others stale.
  bool lease_reads = false;
  int clock_drift_percent_max = 10;
  // Of the election timeouts and the names of this member's requests. Has to differ between
  // members, and should differ between one member's starts.
  std::uint64_t seed = 0;
};

// What a core starts from: what this member's disk says.
struct Restored {
  HardState hard_state;
  // The last entry that the durable state machine contains; everything up to it is committed.
  LogId applied;
  // The configuration as of `applied`.
  Configuration configuration;
  // All entries of the durable log after `applied`, without a gap.
  std::vector<Entry> entries;
  // Entries before this one are not in the durable log (the log's first index).
  Index first_index;
};

// How a leader sees a peer.
struct PeerProgress {
  Index match;
  Index next;
  bool probing = false;
  bool recently_active = false;
  bool snapshot = false;   // is sent a snapshot
  bool caught_up = false;  // a learner that may be made a voter
};

// A view for people, metrics and tests; valid until the next step.
struct CoreStatus {
  MemberId self;
  RoleName role;
  Term term;
  MemberId vote;
  MemberId leader;  // zero if unknown
  LogId last;       // the last entry, durable or not
  Index durable;    // the last entry that is durable here
  Index commit;     // known to be committed; may be ahead of `durable`
  Index applied;
  Index held_by_all;                  // every member's log reaches to here, as the leader last said
  bool confirmed;                     // this is a leader with a committed entry of its term
  Configuration configuration;        // the newest in the log, which is in force
  Index configuration_index;          // where it stands
  MemberId transferring_to;           // of a leader that hands over; zero: it does not
  std::size_t uncommitted_bytes = 0;  // of a leader: what its log holds beyond the commit index
  // Of a leader: until when, by its clock, reads rest on its lease (CoreOptions::lease_reads).
  std::optional<Instant> lease_end;
  std::map<MemberId, PeerProgress> peers;  // of a leader; empty otherwise
};

class Core {
 public:
  Core(CoreOptions options, Restored restored, Instant now);
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // Takes an event in, and then runs the timers that are due: after any event, also a question that
  // was refused, there may be something to do. `now` never goes back.
  void step(Instant now, Event event);
  // The same as stepping a Propose and looking for its answer in the output, except that the answer
  // is returned and the output is left alone: so that many proposals share one output.
  std::variant<LogId, Refusal> propose(Instant now, Bytes command);
  // Likewise for ChangeConfiguration and TransferLeadership.
  std::variant<LogId, Refusal> change_configuration(Instant now, Configuration target);
  std::variant<LogId, Refusal> transfer_leadership(Instant now, MemberId target);

  // What is to be done since the last call.
  Output take_output();

  // Send a Tick at or after this time, if nothing else has happened before.
  Instant deadline() const;

  CoreStatus status() const;

  // Cheap parts of status(), for the hot path.
  RoleName role() const;
  Term term() const;
  MemberId leader() const;
  bool confirmed() const;
  Index commit() const;
  // The entry at that index, if it is in memory (or is the last one that was dropped from it).
  std::optional<LogId> at(Index index) const;

  // For searches through the states that a core can be in: one that goes on from the same state,
  // and a number that stands for it (fingerprint.h; the output has to have been taken).
  Core clone() const;
  std::uint64_t fingerprint() const;

 private:
  class Impl;
  explicit Core(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::raft

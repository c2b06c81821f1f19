// The dice of one run: how large the cluster is, how it is set up, and which faults it meets. All
// drawn from the seed, so that runs differ in kind and not only in order: most meet few faults,
// some meet all.
#pragma once

#include <string>
#include <vector>

#include "raft/core/core.h"
#include "raft/node/snapshot_sender.h"

namespace coord::sim {

// Kinds of faults that a run can be told to do without, to find out which of them matter.
enum class Fault : std::uint8_t {
  kLoss,
  kDuplicates,
  kReplays,
  kPartitions,
  kClogs,
  kResets,
  kSlowDisks,
  kFailedSyncs,
  kFullDisks,
  kDamage,
  kCrashes,
  kPauses,
  kDrift,
  kLateTurns,
  kChanges,
  kTransfers,
  kSnapshots,
  kCount,
};
std::string_view to_string(Fault fault);

struct Swarm {
  raft::Configuration configuration;
  raft::CoreOptions core;
  // Every log begins behind this entry, as if it had been cut there: numbers of any size.
  raft::LogId base{};

  // Delays and disks are as regular as clockwork: members that begin together go on together, and
  // only what they draw themselves tells them apart.
  bool lockstep = false;

  // Network. Rates are in 1/1000.
  Duration delay_mean = milliseconds(1);
  bool ordered = true;  // messages between two members keep their order, as over one connection
  std::uint64_t loss = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t replay = 0;         // of messages long gone by, also across restarts
  bool reports_loss = false;        // the sender gets PeerUnreachable
  std::uint64_t link_capacity = 0;  // messages under way on a link; zero: any number
  Duration partition_every{0};      // zero: never
  Duration partition_max = seconds(3);
  Duration clog_every{0};
  Duration clog_max = seconds(5);
  Duration reset_every{0};  // a connection breaks and loses the tail of what was under way
  Duration break_every{0};  // a leader's connections are closed while it lives

  // Disks.
  Duration sync_mean = microseconds(300);
  std::uint64_t slow_syncs = 0;       // in 1/1000: takes as long as an election timeout and longer
  std::uint64_t failed_syncs = 0;     // in 1/100,000
  Duration flush_every = seconds(1);  // of the state machine; the log is cut behind it
  bool uneven_flushes = false;        // every third member flushes ten times more rarely
  std::uint64_t log_entries_kept = 0;
  std::uint64_t log_bytes_kept = limits::kLogBytesKept;
  raft::SnapshotSendOptions snapshots;
  std::uint64_t unseated_leaders = 0;  // in 1/1000 of the snapshots that have arrived
  Duration snapshot_mean{0};  // to make one, to verify and to install one, beside what syncs take
  std::size_t segment_bytes = 16 * limits::kKiB;
  Duration full_disk_every{0};
  Duration damage_every{0};

  // Processes.
  Duration crash_every{0};           // zero: never
  std::uint64_t crash_in_write = 0;  // in 1/10,000 writes
  Duration down_max = seconds(2);
  bool closes_connections = true;  // a crash is seen by the others
  Duration pause_every{0};
  Duration pause_max = seconds(2);
  std::uint64_t clock_drift = 0;  // in 1/1000, either way
  bool extreme_clocks = false;    // each is off by as much as that
  Duration wall_jump_every{0};    // of the wall clock, which consensus must not care for
  Duration turn_max{0};           // outputs are taken this much later than events are stepped

  // An operator.
  Duration change_every{0};    // of the members; zero: never
  Duration transfer_every{0};  // of leadership

  // Clients.
  std::uint64_t clients = 4;
  Duration think_mean = milliseconds(20);  // between a client's operations
  Duration patience = milliseconds(500);   // before a client tries elsewhere
  std::uint64_t tries_max = 4;             // of one operation
  std::uint64_t keys = 2;
  std::uint64_t watchers = 1;
  Duration load_every = milliseconds(20);  // bursts of commands nobody waits for
  std::uint64_t load_at_once = 1;
  std::size_t load_bytes_max = 64;
  Duration probe_every = milliseconds(20);  // reads on any member, as often as not a follower
};

Swarm draw_swarm(std::uint64_t seed);
// Takes that kind of fault out.
void remove(Swarm& swarm, Fault fault);
bool meets(const Swarm& swarm, Fault fault);
// As small a cluster as that: the first members only.
void shrink_cluster(Swarm& swarm, std::uint64_t members);
std::string describe(const Swarm& swarm);

}  // namespace coord::sim

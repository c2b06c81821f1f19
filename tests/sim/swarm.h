// The dice of one run: how large the cluster is, how it is set up, and which faults it meets. All
// drawn from the seed, so that runs differ in kind and not only in order: most meet few faults,
// some meet all.
#pragma once

#include <string>

#include "raft/core/core.h"

namespace coord::sim {

struct Swarm {
  raft::Configuration configuration;
  raft::CoreOptions core;

  // Network. Rates are in 1/1000.
  Duration delay_mean = milliseconds(1);
  bool ordered = true;  // messages between two members keep their order, as over one connection
  std::uint64_t loss = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t replay = 0;     // of messages long gone by, also across restarts
  bool reports_loss = false;    // the sender gets PeerUnreachable
  Duration partition_every{0};  // zero: never
  Duration partition_max = seconds(3);
  Duration break_every{0};  // a leader's connections break while it lives; zero: never

  // Disks.
  Duration sync_mean = microseconds(300);
  std::uint64_t slow_syncs = 0;       // in 1/1000: takes as long as an election timeout and longer
  Duration flush_every = seconds(1);  // of the state machine; the log is cut behind it

  // Processes.
  Duration crash_every{0};           // zero: never
  std::uint64_t crash_in_write = 0;  // in 1/10,000 writes
  Duration down_max = seconds(2);
  bool closes_connections = true;  // a crash is seen by the others
  Duration pause_every{0};
  Duration pause_max = seconds(2);
  std::uint64_t clock_drift = 0;  // in 1/1000, either way
  Duration turn_max{0};           // outputs are taken this much later than events are stepped

  // Clients.
  Duration propose_every = milliseconds(5);
  std::uint64_t proposals_at_once = 1;
  std::size_t command_bytes_max = 64;
  Duration read_every = milliseconds(5);
};

Swarm draw_swarm(std::uint64_t seed);
std::string describe(const Swarm& swarm);

}  // namespace coord::sim

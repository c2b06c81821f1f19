// A cluster's bad day as a list of commands: generated, interpreted totally (what is impossible at
// its place does nothing), and so shrunk by leaving out what does not matter.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "tests/raft/core/cluster.h"

namespace coord::raft {

enum class CommandKind : std::uint8_t {
  kPropose,      // b % 4 + 1 commands, to the leader or a
  kFire,         // a's timer, as soon as time allows
  kPass,         // b * 25 ms, for everybody
  kRun,          // b * 25 ms in which everything is delivered and all timers fire
  kSettle,       // everything is delivered and written, a few times
  kDeliver,      // the c-th message from a to b
  kDuplicate,    // the same, and it stays under way
  kDrop,         // the c-th message from a to b
  kDeliverFrom,  // all messages from a, some of them twice over if c is odd
  kPersist,      // c batches of a's disk
  kPersistAll,   // a's disk
  kCrash,        // a, with c batches written at the last moment
  kRestart,      // a
  kIsolate,      // a
  kCutOneWay,    // from a to b
  kPartition,    // members whose bit is set in c from the others
  kHeal,
  kChange,        // the leader, or a, makes of b what c says
  kTransfer,      // the leader, or a, hands over to b, or to anybody
  kRead,          // at a
  kCompact,       // a's log, but for c entries
  kFlush,         // a's state
  kSendChunk,     // from a to b
  kFailSnapshot,  // from a to b
  kInstall,       // at a
  kUnreachable,   // b, as a sees it
  kClosed,        // b's connections, as a sees it
  kFallBehind,    // a misses some commands, which the others then cut from their logs
};

struct Command {
  CommandKind kind = CommandKind::kHeal;
  int a = 0;
  int b = 0;
  int c = 0;

  friend bool operator==(const Command&, const Command&) = default;
};
std::ostream& operator<<(std::ostream& out, const Command& command);

struct Setup {
  std::uint64_t voters = 3;
  std::uint64_t learners = 0;
  std::uint64_t joining = 0;
  bool fast_disk = false;
  bool fast_transfers = false;
  bool fast_installs = false;
  bool leases = false;
  bool small = false;  // appends, windows and memory
};
std::ostream& operator<<(std::ostream& out, const Setup& setup);

Cluster::Options options_of(const Setup& setup);

// Does what the command says; `seed` of whatever a command has to make up is its place in the list.
void execute(Cluster& cluster, const Command& command, std::uint64_t place);

// The faults are over: within 20 election timeouts there is a leader, a write is applied by all
// members and reads are answered. What is wrong, or nothing.
std::string recover(Cluster& cluster);

}  // namespace coord::raft

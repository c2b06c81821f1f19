// The disk of a simulated member: what is durable, and the batches that are on their way there. A
// crash lets a prefix of the pending batches survive, the last of them torn in the middle.
#pragma once

#include <deque>
#include <vector>

#include "raft/base/prng.h"
#include "raft/core/core.h"
#include "raft/core/memory_log.h"

namespace coord::sim {

class Disk {
 public:
  // --- what survives ---
  const raft::HardState& hard_state() const { return hard_state_; }
  raft::LogId last() const;
  bool holds(raft::LogId id) const;
  Index first() const { return first_; }
  raft::LogId id_at(Index index) const;
  // What a restart begins with, if the state machine has `applied`.
  raft::Restored restore(raft::LogId applied, raft::Configuration configuration) const;
  raft::Loaded read(const raft::Load& load) const;
  void cut(Index through) { first_ = std::max(first_, through.next()); }

  // --- what is on its way ---
  void submit(raft::Durable batch);
  bool pending() const { return !pending_.empty(); }
  bool is_pending(Index index) const;
  // The batches up to that ticket are durable.
  void complete(raft::Ticket through);

  struct CrashReport {
    bool lost = false;
    bool torn = false;
  };
  CrashReport crash(Prng& prng);

 private:
  void write(const raft::Durable& batch, std::size_t entries_max);

  raft::HardState hard_state_;
  std::vector<raft::Entry> entries_;  // from index 1; those before first_ are kept for the checks
  Index first_{1};
  std::deque<raft::Durable> pending_;
};

}  // namespace coord::sim

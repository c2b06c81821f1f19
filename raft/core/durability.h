// What has been asked of this member's disk, and what it has confirmed. Owned by the core.
//
// The disk works through batches in order of their tickets. An entry counts as durable only once
// the batch that wrote it, as it now stands in the log, is confirmed. Comparing the index of a
// completion is not enough for that, and comparing its term neither: an entry can be overwritten
// and come back under its old term while the write of its first life is still under way, and the
// batch between them takes it off the disk again. So a truncation reaches into the batches that are
// under way and takes the overwritten part out of what their completion will prove.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>

#include "raft/core/memory_log.h"
#include "raft/core/output.h"

namespace coord::raft {

class Durability {
 public:
  // At the start the log on disk is the log in memory.
  Durability(const MemoryLog& log, HardState hard_state);

  // Every entry up to here is on the disk as it is in the log, and will stay there.
  Index durable() const { return std::max(durable_, in_state_); }

  // Every entry up to here is in the log on disk, or off it because the state has it.
  Index written() const { return durable_; }

  // The log was truncated from that index on.
  void truncated(Index from);

  // The log begins anew after that entry.
  void reset(LogId last);
  // Everything up to there is durable as part of the state, whatever the log on disk has by now.
  void state_holds(Index through) { in_state_ = std::max(in_state_, through); }

  // The ticket after which the log and hard state of this moment are durable; nothing if they
  // already are. For messages that promise them.
  std::optional<Ticket> barrier(const MemoryLog& log, const HardState& hard_state) const;

  // All that has changed since the last submission, as one batch; nothing if nothing has.
  std::optional<Durable> submit(const MemoryLog& log, const HardState& hard_state, Instant now);

  void persisted(Ticket ticket);

  // When the batch that the disk has owed us longest was submitted.
  std::optional<Instant> waiting_since() const;

  // The ticket of the batch that was submitted last.
  Ticket newest() const { return last_ticket_; }
  void add_to(Fingerprint& fingerprint) const;

 private:
  struct Batch {
    Ticket ticket;
    Index through;  // what its completion proves durable; zero: no entries
    Instant since;
  };

  Index durable_;
  Index in_state_;
  Index submitted_;                // entries up to here were submitted as they are in the log
  Index disk_last_;                // where the log on disk ends once all batches are done
  HardState hard_state_;           // as last submitted
  std::optional<LogId> reset_to_;  // to be submitted
  Ticket last_ticket_{};
  std::deque<Batch> batches_;  // under way, in order
};

}  // namespace coord::raft

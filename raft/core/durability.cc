#include "raft/core/durability.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"

namespace coord::raft {

Durability::Durability(const MemoryLog& log, HardState hard_state)
    : durable_(log.last_index()),
      in_state_(log.base().index),
      submitted_(log.last_index()),
      disk_last_(log.last_index()),
      hard_state_(hard_state) {}

void Durability::truncated(Index from) {
  const Index kept = from.prev();
  durable_ = std::min(durable_, kept);
  submitted_ = std::min(submitted_, kept);
  for (Batch& batch : batches_) batch.through = std::min(batch.through, kept);
}

void Durability::reset(LogId last) {
  // What is under way goes to a log that will not be.
  for (Batch& batch : batches_) batch.through = {};
  durable_ = submitted_ = disk_last_ = last.index;
  reset_to_ = last;
}

std::optional<Ticket> Durability::barrier(const MemoryLog& log, const HardState& hard_state) const {
  if (log.last_index() > submitted_ || hard_state != hard_state_ || reset_to_) {
    return last_ticket_.next();
  }
  if (!batches_.empty()) return last_ticket_;
  return std::nullopt;
}

std::optional<Durable> Durability::submit(const MemoryLog& log, const HardState& hard_state,
                                          Instant now) {
  if (log.last_index() == submitted_ && hard_state == hard_state_ && !reset_to_) {
    return std::nullopt;
  }
  Durable durable;
  durable.ticket = ++last_ticket_;
  durable.reset_to = std::exchange(reset_to_, std::nullopt);
  if (hard_state != hard_state_) durable.hard_state = hard_state_ = hard_state;
  Batch batch{.ticket = durable.ticket, .through = {}, .since = now};
  if (log.last_index() > submitted_) {
    if (disk_last_ > submitted_) durable.truncate_from = submitted_.next();
    log.copy(submitted_.next(), log.last_index(), durable.append);
    batch.through = submitted_ = disk_last_ = log.last_index();
  }
  // A conflict is only ever resolved by the leader's entries, which come in the same step.
  CHECK_EQ(disk_last_, submitted_);
  batches_.push_back(batch);
  return durable;
}

void Durability::persisted(Ticket ticket) {
  CHECK_LE(ticket, last_ticket_);
  while (!batches_.empty() && batches_.front().ticket <= ticket) {
    durable_ = std::max(durable_, batches_.front().through);
    batches_.pop_front();
  }
  CHECK_LE(durable_, submitted_);
}

std::optional<Instant> Durability::waiting_since() const {
  if (batches_.empty()) return std::nullopt;
  return batches_.front().since;
}

}  // namespace coord::raft

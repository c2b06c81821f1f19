#include "tests/sim/disk.h"

#include <algorithm>
#include <limits>

namespace coord::sim {

using raft::Durable;
using raft::Entry;
using raft::LogId;

LogId Disk::last() const {
  return entries_.empty() ? LogId{} : entries_.back().id;
}

LogId Disk::id_at(Index index) const {
  return index.is_zero() ? LogId{} : entries_.at(index.value() - 1).id;
}

bool Disk::holds(LogId id) const {
  return id.index <= last().index && id_at(id.index) == id;
}

bool Disk::is_pending(Index index) const {
  return std::any_of(pending_.begin(), pending_.end(), [&](const Durable& batch) {
    return !batch.append.empty() && batch.append.back().id.index >= index;
  });
}

raft::Restored Disk::restore(LogId applied, raft::Configuration configuration) const {
  return {.hard_state = hard_state_,
          .applied = applied,
          .configuration = std::move(configuration),
          .entries = {entries_.begin() + static_cast<std::ptrdiff_t>(applied.index.value()),
                      entries_.end()},
          .first_index = first_};
}

raft::Loaded Disk::read(const raft::Load& load) const {
  raft::Loaded loaded{.peer = load.peer, .previous = {}, .entries = {}};
  if (load.from < first_) return loaded;
  loaded.previous = id_at(load.from.prev());
  std::size_t bytes = 0;
  for (Index i = load.from; i <= load.through; ++i) {
    const Entry& entry = entries_.at(i.value() - 1);
    bytes += raft::cost_of(entry);
    if (!loaded.entries.empty() && bytes > load.bytes_max) break;
    loaded.entries.push_back(entry);
  }
  return loaded;
}

void Disk::submit(Durable batch) {
  pending_.push_back(std::move(batch));
}

void Disk::complete(raft::Ticket through) {
  while (!pending_.empty() && pending_.front().ticket <= through) {
    write(pending_.front(), std::numeric_limits<std::size_t>::max());
    pending_.pop_front();
  }
}

void Disk::write(const Durable& batch, std::size_t entries_max) {
  if (batch.truncate_from) entries_.resize(batch.truncate_from->prev().value());
  const std::size_t count = std::min(entries_max, batch.append.size());
  for (std::size_t i = 0; i < count; ++i) entries_.push_back(batch.append[i]);
  if (batch.hard_state && entries_max > batch.append.size()) hard_state_ = *batch.hard_state;
}

Disk::CrashReport Disk::crash(Prng& prng) {
  CrashReport report;
  const std::size_t whole = prng.below(pending_.size() + 1);
  report.lost = whole < pending_.size();
  for (std::size_t i = 0; i < whole; ++i) {
    write(pending_.front(), std::numeric_limits<std::size_t>::max());
    pending_.pop_front();
  }
  if (report.lost && prng.chance(1, 2)) {
    report.torn = true;
    write(pending_.front(), prng.below(pending_.front().append.size() + 1));
  }
  pending_.clear();
  return report;
}

}  // namespace coord::sim

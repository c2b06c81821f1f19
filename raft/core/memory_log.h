// The newest part of the log, in memory. Owned by the core.
//
// What holds: entries follow each other and `base` without a gap, their terms never fall, and
// everything that is not committed, not durable or not applied is here. What was dropped from the
// front is committed, hence equal on every member that has it.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "raft/core/types.h"

namespace coord::raft {

class Fingerprint;

// What an entry counts for wherever bytes are bounded: its payload and about what it takes beside.
inline std::size_t cost_of(const Bytes& payload) {
  return payload.size() + sizeof(Entry);
}
inline std::size_t cost_of(const Entry& entry) {
  return cost_of(entry.payload);
}

class MemoryLog {
 public:
  // `entries` follow `base`.
  MemoryLog(LogId base, std::vector<Entry> entries);

  // The entry before the first one that is held.
  LogId base() const { return base_; }
  LogId last() const { return entries_.empty() ? base_ : entries_.back().id; }
  Index last_index() const { return last().index; }
  std::size_t bytes() const { return bytes_; }

  // Of an entry that is held, or of the base.
  std::optional<Term> term_at(Index index) const;
  bool holds(Index index) const { return index > base_.index && index <= last_index(); }
  bool matches(LogId id) const { return term_at(id.index) == id.term; }
  const Entry& at(Index index) const;

  // The newest position at or below `index` whose term is not above `term`; the base if there is
  // none above it. Terms never fall along the log, so it is found by bisection.
  LogId newest_not_above(Index index, Term term) const;

  void append(Entry entry);
  // Removes the entries from `from` on; `from` is held.
  void truncate_from(Index from);
  // Holds nothing any more; what comes next follows `base`.
  void reset(LogId base);
  // Drops entries from the front while more than `bytes_max` are held, none above `through`.
  void trim(std::size_t bytes_max, Index through);

  // Copies of the entries from `from` to `through`, both held; stops before `bytes_max` would be
  // passed, but not before the first entry.
  std::vector<Entry> slice(Index from, Index through, std::size_t bytes_max) const;
  void copy(Index from, Index through, std::vector<Entry>& target) const;

  void add_to(Fingerprint& fingerprint) const;

 private:
  std::size_t offset(Index index) const { return index - base_.index - 1; }

  LogId base_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;  // the sum of cost_of() over entries_
};

}  // namespace coord::raft

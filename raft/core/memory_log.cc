#include "raft/core/memory_log.h"

#include <algorithm>

#include "raft/base/check.h"

namespace coord::raft {

MemoryLog::MemoryLog(LogId base, std::vector<Entry> entries) : base_(base) {
  for (Entry& entry : entries) append(std::move(entry));
}

std::optional<Term> MemoryLog::term_at(Index index) const {
  if (index == base_.index) return base_.term;
  if (!holds(index)) return std::nullopt;
  return entries_[offset(index)].id.term;
}

const Entry& MemoryLog::at(Index index) const {
  CHECK(holds(index), "{} is not in ({}, {}]", index, base_.index, last_index());
  return entries_[offset(index)];
}

LogId MemoryLog::newest_not_above(Index index, Term term) const {
  if (index <= base_.index) return base_;
  const auto end =
      entries_.begin() + static_cast<std::ptrdiff_t>(std::min(index, last_index()) - base_.index);
  const auto above = std::partition_point(
      entries_.begin(), end, [term](const Entry& entry) { return entry.id.term <= term; });
  return above == entries_.begin() ? base_ : std::prev(above)->id;
}

void MemoryLog::append(Entry entry) {
  CHECK_EQ(entry.id.index, last_index().next());
  CHECK_GE(entry.id.term, last().term);
  bytes_ += cost_of(entry);
  entries_.push_back(std::move(entry));
}

void MemoryLog::truncate_from(Index from) {
  CHECK(holds(from), "{} is not in ({}, {}]", from, base_.index, last_index());
  while (last_index() >= from) {
    bytes_ -= cost_of(entries_.back());
    entries_.pop_back();
  }
}

void MemoryLog::reset(LogId base) {
  base_ = base;
  entries_.clear();
  bytes_ = 0;
}

void MemoryLog::trim(std::size_t bytes_max, Index through) {
  while (bytes_ > bytes_max && !entries_.empty() && entries_.front().id.index <= through) {
    bytes_ -= cost_of(entries_.front());
    base_ = entries_.front().id;
    entries_.pop_front();
  }
}

std::vector<Entry> MemoryLog::slice(Index from, Index through, std::size_t bytes_max) const {
  std::size_t bytes = cost_of(at(from));
  Index end = from.next();
  while (end <= through && (bytes += cost_of(at(end))) <= bytes_max) ++end;
  std::vector<Entry> entries;
  copy(from, end.prev(), entries);
  return entries;
}

void MemoryLog::copy(Index from, Index through, std::vector<Entry>& target) const {
  CHECK(holds(from) && holds(through), "{} to {} is not in ({}, {}]", from, through, base_.index,
        last_index());
  const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(offset(from));
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(offset(through) + 1);
  target.insert(target.end(), begin, end);
}

}  // namespace coord::raft

#include "raft/core/configurations.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"

namespace coord::raft {

const Configuration& Configurations::as_of(Index index) const {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->index <= index) return entry->configuration;
  }
  return entries_.front().configuration;
}

bool Configurations::any_between(Index from, Index through) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.index > from && entry.index <= through;
  });
}

bool Configurations::had_member(MemberId id, Index from, Index through) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.index > from && entry.index <= through && entry.configuration.contains(id);
  });
}

void Configurations::append(Index index, Configuration configuration) {
  CHECK_GT(index, latest_index());
  entries_.push_back({index, std::move(configuration)});
}

bool Configurations::truncate_from(Index from) {
  const std::size_t before = entries_.size();
  while (entries_.back().index >= from) {
    CHECK_GT(entries_.size(), 1u);
    entries_.pop_back();
  }
  return entries_.size() < before;
}

void Configurations::forget_before(Index committed) {
  while (entries_.size() > 1 && entries_[1].index <= committed) entries_.pop_front();
}

void Configurations::rebase(Index index, Configuration configuration, bool keep_later) {
  std::erase_if(entries_, [&](const Entry& entry) { return !keep_later || entry.index <= index; });
  entries_.push_front({index, std::move(configuration)});
}

}  // namespace coord::raft

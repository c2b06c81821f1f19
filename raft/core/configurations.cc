#include "raft/core/configurations.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "raft/base/check.h"

namespace coord::raft {

std::deque<Configurations::Entry>::const_iterator Configurations::entry_as_of(Index index) const {
  auto entry = std::prev(entries_.end());
  while (entry != entries_.begin() && entry->index > index) --entry;
  return entry;
}

const Configuration& Configurations::as_of(Index index) const {
  return entry_as_of(index)->configuration;
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

bool Configurations::may_be_voter(MemberId id, Index committed) const {
  return std::any_of(entry_as_of(committed), entries_.end(),
                     [&](const Entry& entry) { return entry.configuration.is_voter(id); });
}

std::vector<MemberId> Configurations::members_since(Index committed) const {
  std::set<MemberId> all;
  for (auto entry = entry_as_of(committed); entry != entries_.end(); ++entry) {
    const std::vector<MemberId> members = entry->configuration.members();
    all.insert(members.begin(), members.end());
  }
  return {all.begin(), all.end()};
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

// The configurations in the log. The newest one is in force from the moment that it is appended,
// committed or not (Raft §4.1); should it be truncated, the one before is in force again, so those
// that a truncation can still bring back are kept. Owned by the core.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "raft/core/configuration.h"

namespace coord::raft {

class Fingerprint;

class Configurations {
 public:
  // `base` is in force at `index`, which is committed.
  Configurations(Index index, Configuration base) { entries_.push_back({index, std::move(base)}); }

  const Configuration& latest() const { return entries_.back().configuration; }
  // Where the newest one stands in the log (or the base, below which nothing is known).
  Index latest_index() const { return entries_.back().index; }
  // The one in force for what is committed up to there; the base for anything before it.
  const Configuration& as_of(Index index) const;

  // True if one of them stands after `from`, and not after `through`.
  bool any_between(Index from, Index through) const;
  // ... with that member in it.
  bool had_member(MemberId id, Index from, Index through) const;

  // What is committed may reach further than is known, above all after a restart: any of the one as
  // of what is known, and of those after it, may be the newest that is committed.
  //
  // True if the member is a voter in one of them.
  bool may_be_voter(MemberId id, Index committed) const;
  // All members of all of them, in order of id.
  std::vector<MemberId> members_since(Index committed) const;

  void append(Index index, Configuration configuration);
  // Entries from there on are off the log. True if the newest configuration was among them.
  bool truncate_from(Index from);
  // Entries up to there are committed: only the newest configuration among them can come back.
  void forget_before(Index committed);
  // The log begins after that index, where that configuration is in force; later ones that are
  // still in the log stay if `keep_later`.
  void rebase(Index index, Configuration configuration, bool keep_later);

  void add_to(Fingerprint& fingerprint) const;

 private:
  struct Entry {
    Index index;
    Configuration configuration;
  };

  std::deque<Entry>::const_iterator entry_as_of(Index index) const;

  std::deque<Entry> entries_;  // in order; never empty
};

}  // namespace coord::raft

// A member of a cluster's beginning whose disk is new takes no part in consensus until enough of
// the others have accepted it.
//
// To itself, a member that starts for the first time and one that has lost its disk look the same:
// the flags name it, the disk is empty. In the second case its former life may have voted, and
// acknowledged entries that were committed because of it. The others remember former lives
// (incarnations.h), but whoever happens not to have met the former one would take the new one for
// the first.
//
// So: of n members, one with a new disk sends and hears nothing until g of the others have accepted
// its greeting, where g is the smallest number with 2 g > n - 1. The former life had to wait for
// that as well. Any two sets of g among the n - 1 others have one in common; that one has met the
// former life, remembers it, and refuses the new one. A former life that never got so far has never
// promised anything.
//
//   n       2  3  4  5  7
//   others  1  2  2  3  4   = n - majority + 1
//
// The price: a cluster's very first start needs these members to be there, where later a majority
// is enough. That it is over is kept (DataDirectory::mark_begun()), so that a member that is
// restarted waits for nobody again. The order of starting does not matter: to accept a greeting a
// member need not have been accepted itself.
//
// Limit: the one that remembers must not have lost its disk in the same moment. Two members that
// come back empty together are refused as long as each is known to one of those that it needs,
// which members that were ever connected to each other are.
//
// A member that joins later draws a new identity and has promised nothing: no probation. Nor for a
// cluster of one, which no one relies on but its clients: whoever empties its disk has emptied the
// cluster.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <set>
#include <string>

#include "raft/core/core.h"
#include "service/server/data_directory.h"

namespace coord::service {

class Probation {
 public:
  // `begun`: it was over once, with this very disk.
  Probation(const Identity& identity, const raft::Restored& restored, bool begun) {
    const bool new_disk = restored.hard_state == raft::HardState{} && restored.entries.empty() &&
                          restored.applied == raft::LogId{};
    if (begun || !new_disk || identity.initial.size() < 2) return;
    for (const auto& [id, member] : identity.initial) {
      if (id != identity.member) others_.insert(id);
    }
    needed_ = others_.size() / 2 + 1;
  }

  bool over() const { return accepted_.size() >= needed_; }
  // True: that was the last one that was needed.
  bool accepted_by(MemberId member) {
    if (over() || !others_.contains(member)) return false;
    accepted_.insert(member);
    return over();
  }
  std::string text() const {
    return fmt::format(
        "this member's disk is new: it takes part when {} of the other {} members that the cluster "
        "begins with have accepted it, and {} have so far",
        needed_, others_.size(), accepted_.size());
  }

 private:
  std::set<MemberId> others_;
  std::size_t needed_ = 0;
  std::set<MemberId> accepted_;
};

}  // namespace coord::service

// What must hold between members, checked as things happen: the safety properties of figure 3.2 of
// the dissertation, and what durability and reads promise. Knows every member's log and disk, and
// throws a Violation at the first thing that is not so.
#pragma once

#include <map>
#include <stdexcept>
#include <vector>

#include "raft/core/core.h"
#include "tests/sim/disk.h"

namespace coord::sim {

class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Checker {
 public:
  explicit Checker(raft::Configuration configuration) : configuration_(std::move(configuration)) {}

  void add_member(MemberId id, const Disk& disk);

  // A member starts, or starts again, with what its disk says.
  void started(MemberId id);
  // The batch is part of the member's log from now on, durable or not (Log Matching).
  void logged(MemberId id, const raft::Durable& batch);
  // The member leads that term (Election Safety, Leader Completeness).
  void leads(MemberId id, Term term);
  // The member, in that term, knows that much to be committed (State Machine Safety).
  void knows_committed(MemberId id, Term term, Index commit);
  // The member's state machine is given an entry.
  void applies(MemberId id, const raft::Entry& entry);
  // A message leaves the member: is what it promises durable?
  void leaves(const raft::Message& message);
  // Every member's log is said to reach there.
  void held_by_all(Index index) const;

  // The newest index that anyone knows to be committed.
  Index committed() const { return Index(committed_.size()); }
  void read_answered(Index floor, Index answer) const;

 private:
  // The hash of a log up to some entry: equal hashes at an index mean equal logs up to there.
  struct Position {
    Term term;
    std::uint64_t hash = 0;
  };
  struct Member {
    const Disk* disk = nullptr;
    std::vector<Position> log;  // from index 1
    Index applied{};
  };

  Position at(const Member& member, Index index) const;
  void append(MemberId id, Member& member, const raft::Entry& entry);
  bool durable_on_majority(raft::LogId id) const;

  raft::Configuration configuration_;
  std::map<MemberId, Member> members_;
  std::map<Term, MemberId> leaders_;
  std::map<std::pair<MemberId, Term>, MemberId> votes_;
  std::vector<Position> committed_;  // from index 1
  std::vector<Term> known_since_;    // the term in which each became known as committed
  // For each index the positions that any member has ever had there.
  std::vector<std::vector<Position>> ever_;
};

}  // namespace coord::sim

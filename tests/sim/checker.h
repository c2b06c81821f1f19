// What must hold between members, checked as things happen: the safety properties of figure 3.2 of
// the dissertation, and what durability, the state machine and reads promise. Knows what every
// member's log is and how much of it is durable, and throws a Violation at the first thing that is
// not so. Each check costs about the same however long the run is.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "raft/core/core.h"
#include "tests/sim/stage.h"
#include "tests/sim/state.h"

namespace coord::sim {

class Checker {
 public:
  explicit Checker(const Swarm& swarm);

  // --- Members ---
  // A member starts, or starts again, with what its disk says. `installed`: where the snapshot
  // ends that its state last was, or zero.
  void started(MemberId id, const raft::Restored& restored, Index installed);
  // Its state durably is that of a snapshot from now on.
  void installed(MemberId id, const State& state);
  // The batch is part of the member's log from now on, durable or not (Log Matching).
  void logged(MemberId id, const raft::Durable& batch);
  // The newest configuration in what is part of the member's log, if it ever started; and where
  // that stands.
  std::optional<raft::Configuration> newest_configuration_of(MemberId id) const {
    const auto& configurations = members_[id.value()].configurations;
    if (configurations.empty()) return std::nullopt;
    return configurations.back().second;
  }
  Index newest_configuration(MemberId id) const {
    return members_[id.value()].configurations.back().first;
  }
  // These, the oldest that are not durable, are being written; and now they are durable.
  void writing(MemberId id, std::span<const raft::Durable> group);
  void written(MemberId id);
  bool is_being_written(MemberId id, Index index) const;
  bool writes(MemberId id) const { return members_[id.value()].writing > 0; }

  // After each event, and what was before it.
  void moment(const raft::Core& core, const raft::CoreStatus& now, const raft::CoreStatus& before);
  // After an output was carried out: what the core has in its log has been submitted.
  // `configuration`: the one in force there.
  void knows_committed(MemberId id, Term term, Index commit,
                       const raft::Configuration& configuration);
  // The member leads that term (Election Safety, Leader Completeness), with the votes of
  // majorities.
  void leads(MemberId id, Term term);
  // The member's state machine was given an entry, and is now like this (State Machine Safety).
  void applied(MemberId id, const raft::Entry& entry, const State& state);
  // The member has been asked for its vote, and has listened.
  void heard_campaign(MemberId id, MemberId candidate, Term term) {
    campaigns_[{candidate, term}].heard_by.insert(id);
  }
  // A message leaves the member, which is like this: is what it promises durable, and has a vote
  // that it refuses a reason?
  void leaves(const raft::Message& message, const raft::Core& core);

  // --- Clients ---
  // The newest index that anyone knows to be committed.
  Index committed() const { return base_.index + committed_.size(); }
  void acknowledged(raft::LogId id) const;
  void read_answered(Index floor, Index answer) const;
  // The changes of objects that the log makes, by revision from 1, as far as anyone has applied it.
  const std::vector<Change>& changes() const { return changes_; }

  // Who takes part, as far as anyone has applied the log; and where that stands.
  const raft::Configuration& configuration() const { return reference_.configuration(); }
  // No member's log holds a configuration that is not applied anywhere, and it is not joint.
  bool is_settled() const;

  // --- At the end ---
  // These members' logs are equal, and their states.
  void logs_are_equal(std::span<const MemberId> ids) const;

 private:
  // The hash of a log up to some entry: equal hashes at an index mean equal logs up to there.
  struct Position {
    Term term;
    std::uint64_t hash = 0;
    friend bool operator==(const Position&, const Position&) = default;
  };
  struct Batch {
    std::optional<raft::HardState> hard_state;
    std::optional<raft::LogId> reset_to;
    std::optional<Index> truncate_from;
    std::vector<Position> append;
  };
  struct Member {
    std::vector<Position> log;  // from behind the base
    // What its disk holds: as many of these, and this.
    std::vector<Position> durable;
    Index in_state{};  // its state has all up to there, whatever the log on disk has
    // The configurations in its log, and the one in force where it begins.
    std::vector<std::pair<Index, raft::Configuration>> configurations;
    raft::HardState hard_state;
    std::deque<Batch> pending;  // submitted and not durable, oldest first
    std::size_t writing = 0;    // the first of them
    Index commit{};             // as far as it was looked at
    std::uint64_t digest = 0;   // of its state
  };

  std::uint64_t count_to(Index index) const { return index - base_.index; }
  Position at(const std::vector<Position>& log, Index index) const;
  Index last(const std::vector<Position>& log) const { return base_.index + log.size(); }
  Position following(Position before, const raft::Entry& entry) const;
  void take_in(MemberId id, const Position& before, const Position& position, Index index);
  // The term that the member is in when it submits that.
  static Term term_with(const Member& member, const raft::Durable& newest);
  void put_down(Member& member, const Batch& batch) const;
  bool recovered_rightly(const Member& member, const raft::HardState& hard_state,
                         const std::vector<Position>& log) const;
  Index durable_end(const Member& member) const {
    return std::max(last(member.durable), member.in_state);
  }
  std::vector<Position> committed_up_to(Index index) const;
  bool holds(MemberId id, Index index, const Position& position) const;
  bool durable_on_majority(const raft::Configuration& configuration, Index index,
                           const Position& position) const;
  void learn_commit(MemberId id, Term term, Index commit, const raft::Configuration& configuration);
  void check_matches(const raft::CoreStatus& leader) const;
  void check_vote(MemberId from, Term term, MemberId vote);
  void check_heir(MemberId heir, const raft::CoreStatus& leader) const;
  void check_refusal(const raft::Message& reply, const raft::CoreStatus& voter) const;
  bool was_elected(MemberId id, Term term) const;

  const raft::LogId base_;
  const bool lease_reads_;
  std::array<Member, kMembersMax> members_;  // by id
  std::map<Term, MemberId> leaders_;
  std::map<std::pair<MemberId, Term>, MemberId> votes_;
  struct Campaign {
    raft::LogId last;  // the candidate's
    std::set<MemberId> heard_by;
  };
  std::map<std::pair<MemberId, Term>, Campaign> campaigns_;
  std::vector<Position> committed_;  // from behind the base
  std::vector<Term> known_since_;    // the term in which each became known as committed
  // The positions that any member has ever had: the first at each index, and the others.
  std::vector<Position> first_ever_;
  std::multimap<Index, Position> more_ever_;

  Index configuration_index_{};  // of the newest that the reference has applied
  State reference_;
  std::vector<std::uint64_t> digests_;  // of the reference, after each entry
  std::set<std::pair<std::uint32_t, std::uint32_t>> executed_;  // (session, sequence)
  std::vector<Change> changes_;
};

}  // namespace coord::sim

#include "tests/sim/checker.h"

#include <algorithm>

#include "raft/base/hash.h"
#include "raft/core/describe.h"
#include "raft/core/invariants.h"

namespace coord::sim {

using raft::Entry;
using raft::LogId;
using raft::Message;

namespace {

// Of each half, if it is joint.
template <class Condition>
bool has_majorities(const raft::Configuration& configuration, const Condition& condition) {
  const auto is_majority = [&](const std::vector<MemberId>& voters) {
    const auto count = std::count_if(voters.begin(), voters.end(), condition);
    return 2 * static_cast<std::size_t>(count) > voters.size();
  };
  return is_majority(configuration.voters) &&
         (!configuration.is_joint() || is_majority(configuration.outgoing));
}

}  // namespace

Checker::Checker(const Swarm& swarm)
    : base_(swarm.base),
      lease_reads_(swarm.core.lease_reads),
      reference_(swarm.base, swarm.configuration) {
  for (Member& member : members_) member.hard_state.term = base_.term;
}

// -------------------------------------------------------------------------------------------------
// Logs and disks

Checker::Position Checker::at(const std::vector<Position>& log, Index index) const {
  if (index == base_.index) return {.term = base_.term};
  return log.at(count_to(index) - 1);
}

Checker::Position Checker::following(Position before, const Entry& entry) const {
  std::uint64_t hash = hash64(entry.payload.span(), before.hash);
  hash = hash * 0x9e3779b97f4a7c15u + entry.id.term.value();
  return {entry.id.term, hash};
}

void Checker::take_in(MemberId id, const Position& before, const Position& position, Index index) {
  if (position.term < before.term) violated("member {}: the terms fall at {}", id, index);
  const std::uint64_t place = count_to(index) - 1;
  if (first_ever_.size() <= place) {
    first_ever_.resize(place);
    first_ever_.push_back(position);
    return;
  }
  const auto mismatch = [&] {
    violated("Log Matching: member {} has another log up to {}@{} than somebody had before", id,
             index, position.term);
  };
  if (first_ever_[place].term == position.term) {
    if (first_ever_[place].hash != position.hash) mismatch();
    return;
  }
  const auto [begin, end] = more_ever_.equal_range(index);
  for (auto each = begin; each != end; ++each) {
    if (each->second.term != position.term) continue;
    if (each->second.hash != position.hash) mismatch();
    return;
  }
  more_ever_.emplace(index, position);
}

std::vector<Checker::Position> Checker::committed_up_to(Index index) const {
  return {committed_.begin(), committed_.begin() + static_cast<std::ptrdiff_t>(count_to(index))};
}

Term Checker::term_with(const Member& member, const raft::Durable& newest) {
  if (newest.hard_state) return newest.hard_state->term;
  for (auto batch = member.pending.rbegin(); batch != member.pending.rend(); ++batch) {
    if (batch->hard_state) return batch->hard_state->term;
  }
  return member.hard_state.term;
}

void Checker::logged(MemberId id, const raft::Durable& batch) {
  Member& member = members_[id.value()];
  Batch noted{.hard_state = batch.hard_state,
              .reset_to = batch.reset_to,
              .truncate_from = batch.truncate_from,
              .append = {}};
  if (batch.reset_to) {
    if (batch.reset_to->index != member.in_state ||
        at(committed_, batch.reset_to->index).term != batch.reset_to->term) {
      violated("member {} begins its log behind {}, its state is a snapshot of {}", id,
               *batch.reset_to, member.in_state);
    }
    if (last(member.log) > batch.reset_to->index &&
        at(member.log, batch.reset_to->index) == at(committed_, batch.reset_to->index)) {
      violated("member {} throws away what follows {}, where its log is that of the snapshot", id,
               *batch.reset_to);
    }
    member.log = committed_up_to(batch.reset_to->index);
    member.configurations.erase(member.configurations.begin() + 1, member.configurations.end());
  }
  if (batch.truncate_from) {
    // A late leader of a term that others have left behind may still take from somebody who follows
    // it what was committed in a later one: that did not count this member.
    const std::uint64_t place = count_to(*batch.truncate_from) - 1;
    if (*batch.truncate_from <= committed() && place < member.log.size() &&
        member.log[place] == committed_[place] && known_since_[place] <= term_with(member, batch)) {
      violated("member {} truncates from {}, which is committed", id, *batch.truncate_from);
    }
    member.log.resize(count_to(batch.truncate_from->prev()));
    std::erase_if(member.configurations,
                  [&](const auto& entry) { return entry.first >= *batch.truncate_from; });
  }
  noted.append.reserve(batch.append.size());
  Position before = at(member.log, last(member.log));
  for (const Entry& entry : batch.append) {
    if (entry.id.index != last(member.log).next()) {
      violated("member {} leaves a gap before {}", id, entry.id);
    }
    const Position position = following(before, entry);
    take_in(id, before, position, entry.id.index);
    member.log.push_back(position);
    if (entry.type == raft::EntryType::kConfiguration) {
      member.configurations.emplace_back(entry.id.index,
                                         *raft::decode_configuration(entry.payload.span()));
    }
    noted.append.push_back(position);
    before = position;
  }
  member.pending.push_back(std::move(noted));
}

void Checker::writing(MemberId id, std::span<const raft::Durable> group) {
  Member& member = members_[id.value()];
  CHECK_LE(group.size(), member.pending.size());
  member.writing = group.size();
}

void Checker::put_down(Member& member, const Batch& batch) const {
  if (batch.hard_state) member.hard_state = *batch.hard_state;
  if (batch.reset_to) member.durable = committed_up_to(batch.reset_to->index);
  if (batch.truncate_from) member.durable.resize(count_to(batch.truncate_from->prev()));
  member.durable.insert(member.durable.end(), batch.append.begin(), batch.append.end());
}

void Checker::written(MemberId id) {
  Member& member = members_[id.value()];
  for (; member.writing > 0; --member.writing) {
    put_down(member, member.pending.front());
    member.pending.pop_front();
  }
}

bool Checker::is_being_written(MemberId id, Index index) const {
  const Member& member = members_[id.value()];
  // The newest is the one that asks.
  return member.pending.size() > 1 && last(member.durable) < index;
}

void Checker::installed(MemberId id, const State& state) {
  Member& member = members_[id.value()];
  const raft::LogId last = state.applied();
  if (last.index > committed() || at(committed_, last.index).term != last.term ||
      state.digest() != digests_.at(count_to(last.index) - 1)) {
    violated("member {} installs a snapshot of {}, which is not what was committed there", id,
             last);
  }
  member.in_state = last.index;
  member.digest = state.digest();
  // Later ones go with the log, if it goes.
  std::erase_if(member.configurations,
                [&](const auto& entry) { return entry.first <= last.index; });
  member.configurations.insert(member.configurations.begin(), {last.index, state.configuration()});
}

void Checker::started(MemberId id, const raft::Restored& restored, Index installed) {
  Member& member = members_[id.value()];
  if (restored.applied.index > committed()) {
    violated("member {} starts with entry {} applied, which nobody committed", id,
             restored.applied);
  }
  std::vector<Position> log = committed_up_to(restored.applied.index);
  member.configurations.assign(1, {restored.applied.index, restored.configuration});
  Position before = at(log, restored.applied.index);
  if (before.term != restored.applied.term) {
    violated("member {} starts with entry {} applied, committed is term {}", id, restored.applied,
             before.term);
  }
  for (const Entry& entry : restored.entries) {
    before = following(before, entry);
    log.push_back(before);
    if (entry.type == raft::EntryType::kConfiguration) {
      member.configurations.emplace_back(entry.id.index,
                                         *raft::decode_configuration(entry.payload.span()));
    }
  }
  // The log of before may still have been there, and is begun anew by whoever starts the member.
  const bool anew = restored.entries.empty() && restored.applied.index == installed &&
                    restored.hard_state.term >= member.hard_state.term;
  if (!anew && !recovered_rightly(member, restored.hard_state, log)) {
    violated(
        "member {} finds a log to {}@{} and {} on its disk; durable was {}@{} and {}, with {} "
        "batches of {} being written",
        id, last(log), before.term, raft::describe(restored.hard_state), last(member.durable),
        at(member.durable, last(member.durable)).term, raft::describe(member.hard_state),
        member.writing, member.pending.size());
  }
  member.log = member.durable = std::move(log);
  member.hard_state = restored.hard_state;
  member.commit = {};
  member.pending.clear();
  member.writing = 0;
}

// What is found is what was durable, and of what was being written the first part, record by
// record: of each batch the hard state, the truncation, the entries.
bool Checker::recovered_rightly(const Member& member, const raft::HardState& hard_state,
                                const std::vector<Position>& log) const {
  Member expected;
  expected.durable = member.durable;
  expected.hard_state = member.hard_state;
  // The state is a snapshot of later entries than the log holds.
  if (last(expected.durable) < member.in_state && last(log) == member.in_state) return true;
  // Equal hashes at the end are equal logs.
  const auto is_found = [&] {
    return expected.hard_state == hard_state && expected.durable.size() == log.size() &&
           (log.empty() || expected.durable.back() == log.back());
  };
  if (is_found()) return true;
  for (std::size_t i = 0; i < member.writing; ++i) {
    const Batch& batch = member.pending[i];
    if (batch.hard_state) {
      expected.hard_state = *batch.hard_state;
      if (is_found()) return true;
    }
    if (batch.reset_to) {
      expected.durable = committed_up_to(batch.reset_to->index);
      if (is_found()) return true;
    }
    if (batch.truncate_from) {
      expected.durable.resize(count_to(batch.truncate_from->prev()));
      if (is_found()) return true;
    }
    for (const Position& position : batch.append) {
      expected.durable.push_back(position);
      if (is_found()) return true;
    }
  }
  return false;
}

// -------------------------------------------------------------------------------------------------
// Elections and commitment

void Checker::moment(const raft::Core& core, const raft::CoreStatus& now,
                     const raft::CoreStatus& before) {
  for (const std::string& broken : raft::check_invariants(now, before)) {
    violated("member {}: {}", now.self, broken);
  }
  const Member& member = members_[now.self.value()];
  if (now.durable > durable_end(member)) {
    violated("member {} takes {} for durable, its disk holds {}", now.self, now.durable,
             durable_end(member));
  }
  if (now.role == raft::RoleName::kLeader) {
    // A leader that commits starts with an entry of its own term (Raft §3.6.2).
    if (before.commit < now.commit && before.role == now.role && before.term == now.term &&
        core.at(now.commit).value().term != now.term) {
      violated("leader {} of term {} commits {} by counting", now.self, now.term,
               core.at(now.commit).value());
    }
    // At once, and by the configuration in force before the event: what was committed by it may
    // have set another one in force.
    learn_commit(now.self, now.term, now.commit, before.configuration);
    check_matches(now);
  }
  // Others only repeat what the leader has found.
  if (now.role == raft::RoleName::kLeader && now.held_by_all != before.held_by_all &&
      now.held_by_all > base_.index) {
    for (const MemberId id : now.configuration.members()) {
      if (durable_end(members_[id.value()]) < now.held_by_all) {
        violated("{} is said to be held by all, member {} holds {}", now.held_by_all, id,
                 durable_end(members_[id.value()]));
      }
    }
  }
}

void Checker::check_matches(const raft::CoreStatus& leader) const {
  for (const auto& [id, peer] : leader.peers) {
    const Member& member = members_[id.value()];
    // Whoever has gone on to a later term may have lost what this leader knows of.
    if (member.hard_state.term > leader.term || peer.match <= base_.index) continue;
    if (durable_end(member) < peer.match) {
      violated("leader {} takes {} to be durable on member {}, which holds {}", leader.self,
               peer.match, id, durable_end(member));
    }
  }
}

void Checker::leads(MemberId id, Term term) {
  const auto [leader, first] = leaders_.emplace(term, id);
  if (!first && leader->second != id) {
    violated("Election Safety: {} and {} both lead term {}", leader->second, id, term);
  }
  if (!was_elected(id, term)) {
    violated("member {} leads term {} without the votes of majorities of {}", id, term,
             raft::describe(members_[id.value()].configurations.back().second));
  }
  const Member& member = members_[id.value()];
  // A late vote may still elect the leader of a term that others have left behind: what was
  // committed in a later one is none of its business.
  const auto earlier = std::lower_bound(known_since_.begin(), known_since_.end(), term);
  const auto count = static_cast<std::uint64_t>(earlier - known_since_.begin());
  if (count == 0) return;
  if (member.log.size() < count || member.log[count - 1] != committed_[count - 1]) {
    violated("Leader Completeness: {} leads term {} without what was committed up to {}", id, term,
             base_.index + count);
  }
}

bool Checker::was_elected(MemberId id, Term term) const {
  return has_majorities(members_[id.value()].configurations.back().second, [&](MemberId voter) {
    // Its own vote need not have been told to anyone.
    if (voter == id) return members_[id.value()].hard_state == raft::HardState{term, id};
    const auto vote = votes_.find({voter, term});
    return vote != votes_.end() && vote->second == id;
  });
}

bool Checker::holds(MemberId id, Index index, const Position& position) const {
  const std::vector<Position>& durable = members_[id.value()].durable;
  if (index <= members_[id.value()].in_state) return at(committed_, index) == position;
  return index <= last(durable) && at(durable, index) == position;
}

bool Checker::durable_on_majority(const raft::Configuration& configuration, Index index,
                                  const Position& position) const {
  return has_majorities(configuration,
                        [&](MemberId voter) { return holds(voter, index, position); });
}

void Checker::knows_committed(MemberId id, Term term, Index commit,
                              const raft::Configuration& configuration) {
  const auto& newest = members_[id.value()].configurations.back().second;
  if (!(configuration == newest)) {
    violated("member {} goes by {}, the newest in its log is {}", id, raft::describe(configuration),
             raft::describe(newest));
  }
  learn_commit(id, term, commit, configuration);
}

void Checker::learn_commit(MemberId id, Term term, Index commit,
                           const raft::Configuration& configuration) {
  Member& member = members_[id.value()];
  if (commit == member.commit) return;
  if (commit > last(member.log)) {
    violated("member {} takes {} for committed and does not have it", id, commit);
  }
  member.commit = commit;
  for (Index i = committed().next(); i <= commit; ++i) {
    const Position position = at(member.log, i);
    if (!durable_on_majority(configuration, i, position)) {
      violated("{}@{} is taken for committed by member {} and not durable on a majority", i,
               position.term, id);
    }
    committed_.push_back(position);
    known_since_.push_back(known_since_.empty() ? term : std::max(term, known_since_.back()));
  }
  if (commit > base_.index && at(member.log, commit) != at(committed_, commit)) {
    violated("State Machine Safety: member {} takes another log for committed up to {}", id,
             commit);
  }
}

void Checker::leaves(const Message& message, const raft::Core& core) {
  const Member& member = members_[message.from.value()];
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    if (reply->pre_vote) return;
    if (reply->granted) {
      check_vote(message.from, message.term, message.to);
    } else {
      check_refusal(message, core.status());
    }
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (request->pre_vote) return;
    check_vote(message.from, message.term, message.from);
    campaigns_[{message.from, message.term}].last = request->last;
  } else if (const auto* append = std::get_if<raft::AppendReply>(&message.body)) {
    if (!append->accepted) return;
    if (member.hard_state.term <= message.term && append->match > base_.index &&
        durable_end(member) < append->match) {
      violated("member {} acknowledges {}, durable there is {}", message.from, append->match,
               durable_end(member));
    }
    if (member.hard_state.term < message.term) {
      violated("member {} acknowledges in term {}, durable there is {}", message.from, message.term,
               member.hard_state.term);
    }
  } else if (std::holds_alternative<raft::TimeoutNow>(message.body)) {
    check_heir(message.to, core.status());
  }
}

// Whoever is told to campaign must be able to win: it has all that the leader has (Raft §3.10). A
// leader that is voted out goes anyhow, whoever comes next.
void Checker::check_heir(MemberId heir, const raft::CoreStatus& leader) const {
  if (leader.transferring_to != heir) return;
  if (const Index end = durable_end(members_[heir.value()]); end < leader.last.index) {
    violated("member {} hands over to {}, which has entries up to {} of {}", leader.self, heir, end,
             leader.last.index);
  }
}

void Checker::check_vote(MemberId from, Term term, MemberId vote) {
  const raft::HardState& durable = members_[from.value()].hard_state;
  if (durable.term < term || (durable.term == term && durable.vote != vote)) {
    violated("member {} tells of its vote for {} in term {}, durable is a vote for {} in {}", from,
             vote, term, durable.vote, durable.term);
  }
  const auto [cast, first] = votes_.emplace(std::pair(from, term), vote);
  if (!first && cast->second != vote) {
    violated("member {} votes for {} and for {} in term {}", from, cast->second, vote, term);
  }
}

// Votes are given by what the logs hold, and not by who takes part in the voter's own view, which
// may be older than the candidate's (Raft §4.2.2).
void Checker::check_refusal(const Message& reply, const raft::CoreStatus& voter) const {
  const auto campaign = campaigns_.find({reply.to, reply.term});
  // It may also be an answer to a campaign of the past.
  if (campaign == campaigns_.end() || !campaign->second.heard_by.contains(voter.self)) return;
  const bool owed = voter.term == reply.term && voter.vote.is_zero() &&
                    campaign->second.last >= voter.last && !leaders_.contains(voter.term) &&
                    !lease_reads_;
  if (owed) {
    violated("member {} refuses its vote to {} in term {}, and has no reason", voter.self, reply.to,
             reply.term);
  }
}

// -------------------------------------------------------------------------------------------------
// The state machine and its clients

void Checker::applied(MemberId id, const Entry& entry, const State& state) {
  Member& member = members_[id.value()];
  if (entry.id.index > last(member.durable) ||
      at(member.durable, entry.id.index).term != entry.id.term) {
    violated("member {} is to apply {} before it is durable there", id, entry.id);
  }
  if (entry.id.index > committed()) violated("member {} is to apply {} uncommitted", id, entry.id);
  if (entry.id.term != at(committed_, entry.id.index).term) {
    violated("State Machine Safety: member {} is to apply {}, committed is term {}", id, entry.id,
             at(committed_, entry.id.index).term);
  }
  if (entry.id.index == reference_.applied().index.next()) {
    const State::Applied effect = reference_.apply(entry);
    if (entry.type == raft::EntryType::kConfiguration) configuration_index_ = entry.id.index;
    digests_.push_back(reference_.digest());
    if (reference_.revision() > changes_.size()) {
      changes_.push_back(reference_.change(reference_.revision()).value());
    }
    if (effect.executed) {
      const Command command = decode_command(entry.payload.span());
      if (!executed_.emplace(command.session, command.sequence).second) {
        violated("command {} of session {} is executed twice", command.sequence, command.session);
      }
    }
  }
  member.digest = state.digest();
  if (state.digest() != digests_.at(count_to(entry.id.index) - 1)) {
    violated("State Machine Safety: member {} has another state than others after {}", id,
             entry.id);
  }
}

void Checker::acknowledged(LogId id) const {
  if (id.index > committed() || at(committed_, id.index).term != id.term) {
    violated("{} is acknowledged to a client and not committed", id);
  }
}

void Checker::read_answered(Index floor, Index answer) const {
  if (answer < floor) {
    violated("a read is answered as of {}, when it was asked {} was committed", answer, floor);
  }
}

bool Checker::is_settled() const {
  if (configuration().is_joint()) return false;
  const auto members = configuration().members();
  return std::all_of(members.begin(), members.end(), [&](MemberId id) {
    // The first is applied there.
    const auto& known = members_[id.value()].configurations;
    return known.size() <= 1 || known.back().first <= configuration_index_;
  });
}

void Checker::logs_are_equal(std::span<const MemberId> ids) const {
  const Member& first = members_[ids.front().value()];
  for (const MemberId id : ids) {
    const Member& member = members_[id.value()];
    if (member.durable != first.durable) {
      violated("at the end member {} holds {}, and member {} holds {}", ids.front(),
               last(first.durable), id, last(member.durable));
    }
    if (member.digest != first.digest) {
      violated("at the end members {} and {} have different states", ids.front(), id);
    }
  }
}

}  // namespace coord::sim

// One simulated member: an event goes in, the output is carried out.
#include <algorithm>

#include "raft/core/describe.h"
#include "raft/core/invariants.h"
#include "tests/sim/world.h"

namespace coord::sim {

namespace {
constexpr std::size_t kInboxMax = 10'000;
}

void World::step(Member& member, raft::Event event) {
  if (member.paused) {
    if (member.inbox.size() < kInboxMax) member.inbox.push_back(std::move(event));
    return;
  }
  if (tracing_) tell("[{}] {}", member.id, raft::describe(event));
  member.core->step(local(member), std::move(event));
  ++events_;
  ++member.events_since_output;
  after_step(member);
  if (swarm_.turn_max == Duration(0) || healed_) {
    take_output(member);
  } else if (!member.turn_scheduled) {
    member.turn_scheduled = true;
    const auto turn = static_cast<std::uint64_t>(swarm_.turn_max.count());
    schedule_.add(now_ + Duration(static_cast<Duration::rep>(disk_dice_.below(turn))),
                  Schedule::Turn{member.id, member.incarnation});
  }
}

void World::after_step(Member& member) {
  raft::CoreStatus status = member.core->status();
  const raft::CoreStatus& before = *member.before;
  for (const std::string& broken : raft::check_invariants(status, before)) {
    throw Violation(fmt::format("member {}: {}", member.id, broken));
  }
  const bool led = before.role == raft::RoleName::kLeader && status.role == before.role &&
                   before.term == status.term;
  if (led && before.commit < status.commit &&
      member.core->at(status.commit).value().term != status.term) {
    throw Violation(fmt::format("leader {} of term {} commits {} by counting", member.id,
                                status.term, member.core->at(status.commit).value()));
  }
  if (status.held_by_all != before.held_by_all) checker_.held_by_all(status.held_by_all);
  mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  mix(member.id.value() ^ (status.term.value() << 8) ^ (status.commit.value() << 24) ^
      (status.last.index.value() << 44) ^ (static_cast<std::uint64_t>(status.role) << 4));
  cover(member, status);
  member.before = std::move(status);
  schedule_wake(member);
}

void World::cover(const Member& member, const raft::CoreStatus& status) {
  if (status.commit > status.durable) {
    coverage_.reached(Situation::kCommitAheadOfDisk);
    if (status.role == raft::RoleName::kLeader) {
      coverage_.reached(Situation::kCommitBeforeLeadersDisk);
    }
  }
  if (members_.size() == 1 && status.commit > member.before->commit) {
    coverage_.reached(Situation::kSingleMemberCommit);
  }
}

void World::schedule_wake(Member& member) {
  const Instant deadline = member.core->deadline();
  if (deadline == Instant::max()) return;
  const Instant at = global(member, deadline);
  if (member.wake_at && *member.wake_at <= at) return;
  member.wake_at = at;
  schedule_.add(at, Schedule::Wake{member.id, member.incarnation});
}

void World::take_output(Member& member) {
  if (member.events_since_output > 1) coverage_.reached(Situation::kManyEventsInOneOutput);
  member.events_since_output = 0;
  raft::Output output = member.core->take_output();
  if (output.durable) {
    if (output.durable->truncate_from && member.disk.is_pending(*output.durable->truncate_from)) {
      coverage_.reached(Situation::kTruncatedWhileBeingWritten);
    }
    write(member, std::move(*output.durable));
  }
  checker_.knows_committed(member.id, member.core->term(), member.core->commit());
  for (const raft::Fact& fact : output.facts) note(member, fact);
  for (const raft::Message& message : output.send) leave(message);
  std::move(output.held.begin(), output.held.end(), std::back_inserter(member.held));
  for (const raft::ProposalAnswer& answer : output.proposals) note(answer);
  for (const raft::ReadAnswer& answer : output.reads) note(member, answer);
  for (const raft::Load& load : output.loads) {
    schedule_.add(now_ + exponential(disk_dice_, swarm_.sync_mean),
                  Schedule::LoadDone{member.id, member.incarnation, load});
  }
  schedule_wake(member);
  if (!output.committed.empty()) apply(member, output.committed);
}

void World::apply(Member& member, const std::vector<raft::Entry>& entries) {
  for (const raft::Entry& entry : entries) {
    if (entry.id.index != member.applied.next()) {
      throw Violation(
          fmt::format("member {} is to apply {} after {}", member.id, entry.id, member.applied));
    }
    checker_.applies(member.id, entry);
    member.applied = entry.id.index;
  }
  step(member, raft::Applied{member.applied});
}

void World::write(Member& member, raft::Durable batch) {
  if (tracing_) tell("[{}]   {}", member.id, raft::describe(batch));
  checker_.logged(member.id, batch);
  Duration delay = exponential(disk_dice_, swarm_.sync_mean);
  if (!healed_ && swarm_.slow_syncs > 0 && disk_dice_.chance(swarm_.slow_syncs, 1000)) {
    delay += milliseconds(disk_dice_.below(3000));
  }
  if (now_ >= member.sync_ends) member.sync_ends = member.next_sync_ends;
  Instant begin = member.sync_ends;
  if (now_ >= member.sync_ends) {
    begin = now_;
    member.sync_ends = member.next_sync_ends = now_ + delay;
  } else if (member.next_sync_ends == member.sync_ends) {
    member.next_sync_ends = member.sync_ends + delay;
  }
  if (swarm_.crash_in_write > 0 && disk_dice_.chance(swarm_.crash_in_write, 10'000)) {
    schedule_.add(begin + delay / 2, Schedule::Crash{member.id, member.incarnation});
  }
  schedule_.add(member.next_sync_ends,
                Schedule::DiskDone{member.id, member.incarnation, batch.ticket});
  member.disk.submit(std::move(batch));
}

void World::release_held(Member& member, raft::Ticket ticket) {
  std::vector<raft::HeldMessage> waiting;
  for (raft::HeldMessage& held : std::exchange(member.held, {})) {
    if (held.ticket <= ticket) {
      leave(held.message);
    } else {
      waiting.push_back(std::move(held));
    }
  }
  member.held = std::move(waiting);
}

void World::leave(const raft::Message& message) {
  checker_.leaves(message);
  ++messages_;
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    if (append->entries.empty()) coverage_.reached(Situation::kProbeWhileReplicating);
  } else if (const auto* reply = std::get_if<raft::AppendReply>(&message.body)) {
    if (!reply->accepted) coverage_.reached(Situation::kAppendRejected);
  } else if (const auto* vote = std::get_if<raft::VoteReply>(&message.body)) {
    if (vote->pre_vote && !vote->granted) coverage_.reached(Situation::kPreVoteRefused);
  }
  const std::vector<Network::Arrival> arrivals = network_.send(now_, message);
  for (const Network::Arrival& arrival : arrivals) {
    schedule_.add(arrival.at, Schedule::Deliver{message, at(message.to).incarnation, arrival.kind});
  }
  if (arrivals.empty() && swarm_.reports_loss) {
    schedule_.add(
        now_ + network_.delay(),
        Schedule::Hint{message.from, at(message.from).incarnation, message.to, /*closed=*/false});
  }
}

void World::note(Member& member, const raft::Fact& fact) {
  if (tracing_) tell("[{}]   {}", member.id, raft::describe(fact));
  if (const auto* leader = std::get_if<raft::BecameLeader>(&fact)) {
    checker_.leads(member.id, leader->term);
    coverage_.reached(Situation::kLeaderElected);
    if (!newest_leader_term_.is_zero()) coverage_.reached(Situation::kLeaderReplaced);
    newest_leader_term_ = std::max(newest_leader_term_, leader->term);
    if (leader_crashed_at_ && now_ - *leader_crashed_at_ < swarm_.core.election_timeout_min / 2) {
      coverage_.reached(Situation::kFastFailover);
    }
    leader_crashed_at_.reset();
  } else if (const auto* candidate = std::get_if<raft::BecameCandidate>(&fact)) {
    if (candidate->term > newest_leader_term_ + 1) {
      coverage_.reached(Situation::kElectionUndecided);
    }
  } else if (const auto* down = std::get_if<raft::SteppedDown>(&fact)) {
    if (down->quorum_lost) {
      coverage_.reached(Situation::kQuorumLost);
    } else {
      coverage_.reached(member.core->term() == down->term ? Situation::kDiskTooSlowToLead
                                                          : Situation::kOldLeaderTold);
    }
  } else if (std::holds_alternative<raft::Truncated>(fact)) {
    coverage_.reached(Situation::kLogTruncated);
  } else if (std::holds_alternative<raft::PeerNeedsSnapshot>(fact)) {
    throw Violation(fmt::format("member {}: {} although nothing was cut that it needs", member.id,
                                raft::describe(fact)));
  } else if (const auto* refused = std::get_if<raft::MessageRefused>(&fact)) {
    // A batch that was torn takes entries along that were acknowledged in a term that is over, and
    // its leader may not know yet.
    throw Violation(fmt::format("member {} {}", member.id, raft::describe(*refused)));
  }
}

void World::note(Member& member, const raft::ReadAnswer& answer) {
  const auto read = member.reads.find(answer.id);
  if (read == member.reads.end()) {
    throw Violation(fmt::format("member {} answers a read twice: {}", member.id, answer.id));
  }
  if (const Index* index = std::get_if<Index>(&answer.answer)) {
    tell("[{}]   read {} as of {}", member.id, answer.id, *index);
    checker_.read_answered(read->second.floor, *index);
    ++reads_answered_;
    coverage_.reached(read->second.on_follower ? Situation::kReadOnFollower
                                               : Situation::kReadOnLeader);
    if (read->second.term < member.core->term()) {
      coverage_.reached(Situation::kReadAfterLeaderChange);
    }
  } else {
    coverage_.reached(Situation::kReadRefused);
  }
  member.reads.erase(read);
}

void World::note(const raft::ProposalAnswer& answer) {
  const raft::Refusal* refusal = std::get_if<raft::Refusal>(&answer.answer);
  if (refusal != nullptr && *refusal == raft::Refusal::kOverloaded) {
    coverage_.reached(Situation::kOverloaded);
  }
}

}  // namespace coord::sim

// What a healed cluster owes, first a bare quorum of it with the rest frozen, then all of it:
// within twenty election timeouts a leader, a fresh write and a fresh read, everywhere the same log
// and the same state; and then silence but for its heartbeats.
#include <algorithm>
#include <set>

#include "raft/core/describe.h"
#include "tests/sim/dice.h"
#include "tests/sim/world.h"

namespace coord::sim {

void World::stop_faults() {
  stage_.tell("no more faults");
  stage_.healed = true;
  network_.become_perfect();
  stage_.swarm.sync_mean = std::min<Duration>(stage_.swarm.sync_mean, milliseconds(1));
  stage_.swarm.failed_syncs = 0;
  for (const auto& member : members_) {
    member->files().set_capacity(UINT64_MAX);
    member->disk_full = false;
    member->steady_clock();
  }
}

// The one that it goes by, or will when it runs: the newest in its log, committed or not.
raft::Configuration World::configuration_of(MemberId id) const {
  const Member& member = *members_[id.value() - 1];
  if (member.running()) return member.node().status().configuration;
  return checker_.newest_configuration_of(id).value_or(checker_.configuration());
}

// By the configuration that is committed, and by those that they go by themselves: what a leader
// has appended last is in force for it, and for whoever wants to follow it.
bool World::decides(const std::vector<MemberId>& members) const {
  const auto decide = [&](const std::vector<MemberId>& voters) {
    const auto count = std::count_if(voters.begin(), voters.end(), [&](MemberId id) {
      return std::find(members.begin(), members.end(), id) != members.end();
    });
    return voters.empty() || 2 * static_cast<std::size_t>(count) > voters.size();
  };
  const auto decide_by = [&](const raft::Configuration& configuration) {
    return decide(configuration.voters) && decide(configuration.outgoing);
  };
  return decide_by(checker_.configuration()) &&
         std::all_of(members.begin(), members.end(),
                     [&](MemberId id) { return decide_by(configuration_of(id)); });
}

std::vector<MemberId> World::draw_core() {
  Prng& dice = stage_.nemesis_dice;
  std::set<MemberId> takes_part;
  for (const MemberId id : checker_.configuration().members()) {
    takes_part.insert(id);
    const auto newest = configuration_of(id).members();
    takes_part.insert(newest.begin(), newest.end());
  }
  std::vector<MemberId> core;
  for (const MemberId id : takes_part) {
    // Damage may still be found, when the member starts.
    if (!at(id.value()).damaged && !at(id.value()).halted()) core.push_back(id);
  }
  // As many as may be left out, one after the other.
  for (int tries = 0; tries < 20; ++tries) {
    const std::size_t out = dice.below(core.size());
    const MemberId id = core[out];
    core.erase(core.begin() + static_cast<std::ptrdiff_t>(out));
    if (decides(core)) continue;
    core.insert(core.begin() + static_cast<std::ptrdiff_t>(out), id);
  }
  return core;
}

// They neither run nor hear anything.
void World::freeze_others(const std::vector<MemberId>& core) {
  std::array<bool, kMembersMax> group{};
  for (const MemberId id : core) group[id.value()] = true;
  network_.separate(group);
  for (const auto& member : members_) {
    if (!group[member->number()] && member->running() && !member->paused()) member->pause();
  }
}

void World::wake(const std::vector<MemberId>& ids) {
  for (const MemberId id : ids) {
    Member& member = at(id.value());
    member.start();
    if (member.running()) member.resume();
  }
}

Duration World::patience() const {
  return 20 * stage_.swarm.core.election_timeout_max;
}

std::uint64_t World::stored_by(const std::vector<MemberId>& ids) {
  std::uint64_t sum = 0;
  for (const MemberId id : ids) {
    const Member& member = at(id.value());
    if (member.running()) sum += member.node().status().durable.value() + member.snapshot_bytes();
  }
  return sum;
}

void World::expect_progress(std::vector<MemberId> core) {
  Instant end = stage_.now + patience();
  const Instant last_end = stage_.now + 20 * patience();
  bool progressed = false;
  std::string trouble;
  std::uint64_t stored = 0;
  while (stage_.now < end) {
    run_for(milliseconds(50));
    // Where little goes into an append or into a piece of a snapshot, whoever lacks much takes
    // long; but it has to go on.
    if (progressed && stored_by(core) > stored) end = std::min(last_end, stage_.now + patience());
    stored = stored_by(core);
    std::erase_if(core, [&](MemberId id) { return at(id.value()).halted(); });
    // What a disk did before the faults ended may stop a member only now.
    for (const MemberId id : core) at(id.value()).start();
    // A change that was under way comes to its end first; whoever is out by then owes nothing.
    if (!checker_.is_settled()) continue;
    std::vector<MemberId> members = core;
    std::erase_if(members, [&](MemberId id) { return !checker_.configuration().contains(id); });
    const bool all_run = std::all_of(members.begin(), members.end(),
                                     [&](MemberId id) { return at(id.value()).running(); });
    if (!all_run) continue;
    progressed = progressed || clients_.probe_progress(members);
    if (!progressed) continue;
    try {
      checker_.logs_are_equal(members);
      return;
    } catch (const Violation& different) {
      // Not yet.
      trouble = different.what();
    }
  }
  std::string statuses;
  for (const MemberId id : core) {
    const Member& member = at(id.value());
    statuses += fmt::format(
        "\n  {}: {}", id,
        member.running() ? raft::describe(member.node().status()) : std::string("does not run"));
  }
  violated("{} of {} members that are healed do not get on{}{}", core.size(), members_.size(),
           trouble.empty() ? "" : ": " + trouble, statuses);
}

void World::restart_together(const std::vector<MemberId>& ids) {
  for (const MemberId id : ids) at(id.value()).crash(Member::End::kKilled);
}

void World::expect_calm_beside_the_deaf() {
  std::vector<MemberId> others;
  for (const MemberId id : checker_.configuration().members()) {
    if (at(id.value()).running()) others.push_back(id);
  }
  // The leader, as often as not.
  MemberId deaf = others[stage_.nemesis_dice.below(others.size())];
  if (const Member* leader = nemesis_.leader(); leader && stage_.nemesis_dice.chance(1, 2)) {
    deaf = leader->id();
  }
  std::erase(others, deaf);
  if (!decides(others)) return;
  stage_.reached(Situation::kDeafMember);
  // To everybody, or to the leader alone: then it hears what others think of its campaign.
  const Member* leader = nemesis_.leader();
  if (leader && leader->id() != deaf && stage_.nemesis_dice.chance(1, 2)) {
    stage_.tell("{} does not hear {}", deaf, leader->id());
    network_.deafen(deaf.value(), leader->id().value());
  } else {
    stage_.tell("{} is deaf", deaf);
    network_.deafen(deaf.value(), std::nullopt);
  }
  // If it leads, the others have to find another one first. If it does not, it may have all that
  // they have, and would win if only they let it.
  if (leader == nullptr || leader->id() == deaf) expect_progress(others);
  leader = nemesis_.leader();
  const Term term = leader == nullptr ? Term{} : leader->node().term();
  run_for(8 * stage_.swarm.core.election_timeout_max);
  for (const auto& member : members_) {
    if (!member->running() || member->node().term() <= term) continue;
    violated("a member that does not hear the leader of term {} disturbs: {} is in term {}", term,
             member->id(), member->node().term());
  }
  expect_progress(others);
}

void World::expect_quiet(std::size_t members) {
  // What those who were away find in their queues is answered first, and so is what a link has held
  // back since before the faults ended.
  run_for(std::max(network_.all_arrived() - stage_.now, Duration(0)));
  run_for(2 * stage_.swarm.core.election_timeout_max);
  const Member* leader = nemesis_.leader();
  if (leader != nullptr && !checker_.configuration().is_voter(leader->id())) {
    violated("member {} leads, and is no voter any more", leader->id());
  }
  const std::uint64_t before = stage_.messages;
  run_for(20 * stage_.swarm.core.heartbeat_interval);
  // A heartbeat and its reply for each pair and interval, and as much again for whatever else.
  const std::uint64_t allowed = 2 * 2 * 22 * members;
  if (stage_.messages - before > allowed) {
    violated("an idle cluster sends {} messages in 20 heartbeats, {} are allowed",
             stage_.messages - before, allowed);
  }
  if (leader != nullptr) expect_learners_caught_up(*leader);
}

// Who has everything may be made a voter, also if its connection broke after the last write.
void World::expect_learners_caught_up(const Member& leader) {
  const Term term = leader.node().term();
  std::vector<MemberId> learners = leader.node().status().configuration.learners;
  std::erase_if(learners, [&](MemberId id) {
    const Member& member = at(id.value());
    return !member.running() || member.paused() || !network_.connected(leader.number(), id.value());
  });
  for (const MemberId id : learners) {
    const Member& learner = at(id.value());
    stage_.after(Duration(0), PeerHint{PeerHint::What::kUnreachable, leader.number(),
                                       learner.number(), leader.life()});
  }
  run_for(2 * stage_.swarm.core.election_timeout_max);
  if (!leader.running() || leader.role() != raft::RoleName::kLeader ||
      leader.node().term() != term) {
    return;
  }
  const raft::CoreStatus status = leader.node().status();
  for (const MemberId id : learners) {
    const auto peer = status.peers.find(id);
    if (peer == status.peers.end() || peer->second.caught_up) continue;
    violated("learner {} has entries up to {} of {}, and is not taken for caught up", id,
             peer->second.match, status.last.index);
  }
}

}  // namespace coord::sim

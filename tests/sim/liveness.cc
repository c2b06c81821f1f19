// What a healed cluster owes: a leader, a fresh write applied everywhere, a fresh read answered
// everywhere, within twenty election timeouts; and then silence but for its heartbeats.
#include <algorithm>

#include "raft/core/describe.h"
#include "tests/sim/world.h"

namespace coord::sim {

void World::heal() {
  tell("everything heals");
  healed_ = true;
  network_.become_perfect();
  swarm_.sync_mean = std::min<Duration>(swarm_.sync_mean, milliseconds(1));
  for (Member& member : members_) {
    if (!member.core) start(member);
    if (member.paused) handle(Schedule::Resume{member.id, member.incarnation});
    member.turn_scheduled = false;
    take_output(member);
  }
}

bool World::all_have_applied(Index index) const {
  return std::all_of(members_.begin(), members_.end(),
                     [&](const Member& member) { return member.applied >= index; });
}

void World::expect_progress() {
  const Instant end = now_ + 20 * swarm_.core.election_timeout_max;
  while (now_ < end) {
    run_for(milliseconds(200));
    Member* leader = leader_or_anyone(client_dice_);
    if (leader == nullptr || !leader->core->confirmed()) continue;
    step(*leader, raft::Propose{raft::ProposalId(++next_proposal_), Bytes::copy_of("fresh")});
    const Index fresh = leader->core->status().last.index;
    run_for(milliseconds(100));
    const std::uint64_t answered = reads_answered_;
    for (Member& member : members_) {
      const raft::ReadId id(++next_read_);
      member.reads[id] = {.floor = checker_.committed(),
                          .term = member.core->term(),
                          .on_follower = member.core->role() != raft::RoleName::kLeader};
      step(member, raft::Read{id});
    }
    run_for(milliseconds(200));
    if (all_have_applied(fresh) && reads_answered_ >= answered + members_.size()) return;
  }
  std::string statuses;
  for (const Member& member : members_) {
    statuses += fmt::format("\n  {}: {}", member.id, raft::describe(member.core->status()));
  }
  throw Violation("a healed cluster does not get on" + statuses);
}

void World::expect_quiet() {
  const std::uint64_t before = messages_;
  const Duration while_idle = 20 * swarm_.core.heartbeat_interval;
  run_for(while_idle);
  // A heartbeat and its reply for each pair and interval, and as much again for whatever else.
  const std::uint64_t allowed = 2 * 2 * 22 * members_.size();
  if (messages_ - before > allowed) {
    throw Violation(
        fmt::format("an idle cluster sends {} messages in 20 heartbeats, {} are allowed",
                    messages_ - before, allowed));
  }
}

}  // namespace coord::sim

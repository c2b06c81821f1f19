// What goes wrong, and what clients do meanwhile.
#include <algorithm>

#include "tests/sim/world.h"

namespace coord::sim {

void World::again(Schedule::Nemesis::What what, Duration mean) {
  if (mean == Duration(0)) return;
  schedule_.add(now_ + exponential(nemesis_dice_, mean) + microseconds(1), Schedule::Nemesis{what});
}

World::Member& World::anyone(Prng& prng) {
  return members_[prng.below(members_.size())];
}

World::Member* World::leader_or_anyone(Prng& prng) {
  // There may be several who think so, and each of them has its clients.
  std::vector<Member*> leaders;
  for (Member& member : members_) {
    if (member.core && member.core->role() == raft::RoleName::kLeader) leaders.push_back(&member);
  }
  if (!leaders.empty()) return leaders[prng.below(leaders.size())];
  Member& chosen = anyone(prng);
  return chosen.core ? &chosen : nullptr;
}

void World::start(Member& member) {
  raft::CoreOptions options = swarm_.core;
  options.self = member.id;
  ++member.incarnation;
  // The same in every life, on purpose: the driver ought to draw a new one, the core must not
  // depend on it.
  options.seed = swarm_.core.seed + member.id.value();
  if (!member.flushed.index.is_zero()) coverage_.reached(Situation::kRestartedFromFlush);
  member.core.emplace(options, member.disk.restore(member.flushed, swarm_.configuration),
                      local(member));
  member.applied = member.flushed.index;
  member.before = member.core->status();
  member.held.clear();
  member.inbox.clear();
  member.reads.clear();
  member.wake_at.reset();
  member.turn_scheduled = member.paused = false;
  member.events_since_output = 0;
  member.sync_ends = member.next_sync_ends = now_;
  checker_.started(member.id);
  tell("{} starts with {} entries, {} applied", member.id, member.disk.last().index,
       member.applied);
  schedule_.add(now_ + exponential(disk_dice_, swarm_.flush_every),
                Schedule::Flush{member.id, member.incarnation});
  schedule_wake(member);
}

void World::crash_someone() {
  // A crash in the middle of a write is the one worth most.
  Member* victim = &anyone(nemesis_dice_);
  if (nemesis_dice_.chance(1, 2)) {
    for (Member& member : members_) {
      if (member.core && member.disk.pending() && nemesis_dice_.chance(1, 2)) victim = &member;
    }
  }
  if (nemesis_dice_.chance(1, 3)) {
    if (Member* leader = leader_or_anyone(nemesis_dice_)) victim = leader;
  }
  if (victim->core) crash(*victim);
  // A power cut takes all.
  if (nemesis_dice_.chance(1, 20)) {
    for (Member& member : members_) {
      if (member.core) crash(member);
    }
  }
}

void World::crash(Member& member) {
  tell("{} crashes", member.id);
  if (member.core->role() == raft::RoleName::kLeader) leader_crashed_at_ = now_;
  member.core.reset();
  ++member.incarnation;
  const Disk::CrashReport report = member.disk.crash(nemesis_dice_);
  if (report.lost) coverage_.reached(Situation::kCrashWithWritesPending);
  if (report.torn) coverage_.reached(Situation::kTornBatch);
  const auto down = static_cast<std::uint64_t>(swarm_.down_max.count());
  schedule_.add(now_ + Duration(static_cast<Duration::rep>(nemesis_dice_.below(down))),
                Schedule::Restart{member.id});
  if (!swarm_.closes_connections) return;
  for (const Member& other : members_) {
    if (other.id == member.id || !network_.connected(member.id, other.id)) continue;
    schedule_.add(now_ + exponential(nemesis_dice_, milliseconds(2)),
                  Schedule::Hint{other.id, other.incarnation, member.id, /*closed=*/true});
  }
}

void World::pause_someone() {
  Member& member = anyone(nemesis_dice_);
  if (!member.core || member.paused) return;
  tell("{} pauses", member.id);
  member.paused = true;
  const auto longest = static_cast<std::uint64_t>(swarm_.pause_max.count());
  schedule_.add(now_ + Duration(static_cast<Duration::rep>(nemesis_dice_.below(longest))),
                Schedule::Resume{member.id, member.incarnation});
}

void World::begin_partition() {
  tell("a partition begins");
  // Cutting off a leader that has clients is what makes logs diverge.
  const Member* favourite = leader_or_anyone(nemesis_dice_);
  network_.partition(members_.size(), favourite == nullptr ? MemberId(1) : favourite->id);
  const auto longest = static_cast<std::uint64_t>(swarm_.partition_max.count());
  schedule_.add(now_ + Duration(static_cast<Duration::rep>(nemesis_dice_.below(longest))),
                Schedule::Nemesis{Schedule::Nemesis::What::kHeal});
}

void World::break_connections() {
  const Member* peer = leader_or_anyone(nemesis_dice_);
  if (peer == nullptr) return;
  tell("connections with {} break", peer->id);
  for (const Member& member : members_) {
    if (member.id == peer->id || nemesis_dice_.chance(1, 6)) continue;
    schedule_.add(now_ + exponential(nemesis_dice_, microseconds(300)),
                  Schedule::Hint{member.id, member.incarnation, peer->id, /*closed=*/true});
  }
}

void World::end_partition() {
  tell("the partition heals");
  network_.heal();
  again(Schedule::Nemesis::What::kPartition, swarm_.partition_every);
}

void World::propose_somewhere() {
  Member* member =
      client_dice_.chance(1, 20) ? &anyone(client_dice_) : leader_or_anyone(client_dice_);
  if (member == nullptr || !member->core) return;
  const std::uint64_t count = client_dice_.between(1, swarm_.proposals_at_once);
  for (std::uint64_t i = 0; i < count && member->core; ++i) {
    const std::uint64_t number = ++next_proposal_;
    const std::size_t size = 8 + client_dice_.below(swarm_.command_bytes_max);
    step(*member, raft::Propose{raft::ProposalId(number),
                                Bytes::make(size, [&](std::span<std::byte> target) {
                                  std::memset(target.data(), 0, target.size());
                                  std::memcpy(target.data(), &number, sizeof(number));
                                })});
  }
}

void World::read_somewhere() {
  Member& member = anyone(client_dice_);
  if (!member.core || member.paused) return;
  const raft::ReadId id(++next_read_);
  member.reads[id] = {.floor = checker_.committed(),
                      .term = member.core->term(),
                      .on_follower = member.core->role() != raft::RoleName::kLeader};
  step(member, raft::Read{id});
}

}  // namespace coord::sim

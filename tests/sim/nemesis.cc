#include "tests/sim/nemesis.h"

#include <algorithm>

#include "tests/sim/damage.h"
#include "tests/sim/dice.h"

namespace coord::sim {

using What = Trouble::What;

Nemesis::Nemesis(Stage& stage, Network& network, Checker& checker,
                 std::vector<std::unique_ptr<Member>>& members)
    : stage_(stage), network_(network), checker_(checker), members_(members) {}

void Nemesis::start() {
  const Swarm& swarm = stage_.swarm;
  again(What::kCrash, swarm.crash_every);
  again(What::kPause, swarm.pause_every);
  again(What::kPartition, swarm.partition_every);
  again(What::kClog, swarm.clog_every);
  if (swarm.ordered) again(What::kReset, swarm.reset_every);
  again(What::kBreak, swarm.break_every);
  again(What::kFullDisk, swarm.full_disk_every);
  again(What::kDamage, swarm.damage_every);
  again(What::kWallJump, swarm.wall_jump_every);
  again(What::kChange, swarm.change_every);
  again(What::kTransfer, swarm.transfer_every);
}

void Nemesis::again(What what, Duration mean) {
  if (mean == Duration(0)) return;
  stage_.after(exponential(stage_.nemesis_dice, mean) + microseconds(1), Trouble{what});
}

void Nemesis::handle(const Trouble& trouble) {
  if (stage_.healed) return;
  if (trouble.what == What::kHeal) {
    heal_partition();
    return again(What::kPartition, stage_.swarm.partition_every);
  }
  if (trouble.what == What::kRejoin) return heal_partition();
  if (trouble.what == What::kSpace) {
    Member& member = *members_[trouble.member - 1u];
    member.files().set_capacity(UINT64_MAX);
    member.disk_full = false;
    return;
  }
  // Dice of its own, so that a move that is left out, or finds nobody, leaves the others as they
  // are.
  Prng dice = stage_.nemesis_dice.split();
  const bool kept = stage_.plan.troubles.has(++stage_.troubles);
  if (kept) stage_.tell("trouble {}", stage_.troubles);
  const Swarm& swarm = stage_.swarm;
  switch (trouble.what) {
    case What::kCrash:
      again(trouble.what, swarm.crash_every);
      if (kept) crash_someone(dice);
      break;
    case What::kPause:
      again(trouble.what, swarm.pause_every);
      if (kept) pause_someone(dice);
      break;
    case What::kPartition:
      stage_.after(up_to(stage_.nemesis_dice, swarm.partition_max), Trouble{What::kHeal});
      if (kept && stage_.now >= cut_off_until_) begin_partition(dice);
      break;
    case What::kClog:
      again(trouble.what, swarm.clog_every);
      if (kept) clog_someone(dice);
      break;
    case What::kReset:
      again(trouble.what, swarm.reset_every);
      if (kept) reset_someone(dice);
      break;
    case What::kBreak:
      again(trouble.what, swarm.break_every);
      if (kept) break_connections(dice);
      break;
    case What::kFullDisk:
      again(trouble.what, swarm.full_disk_every);
      if (kept) fill_disk(dice);
      break;
    case What::kDamage:
      again(trouble.what, swarm.damage_every);
      if (kept) damage_someone(dice);
      break;
    case What::kWallJump:
      again(trouble.what, swarm.wall_jump_every);
      if (kept) jump_wall_clock(dice);
      break;
    case What::kChange:
      again(trouble.what, swarm.change_every);
      if (kept) change_members(dice);
      break;
    case What::kTransfer:
      again(trouble.what, swarm.transfer_every);
      if (kept) transfer(dice);
      break;
    case What::kNewLeader:
      if (kept) unseat(dice, MemberId(trouble.member));
      break;
    case What::kHeal:
    case What::kRejoin:
    case What::kSpace:
      break;
  }
}

void Nemesis::handle(const Crash& action) {
  Member& member = *members_[action.member - 1u];
  if (!member.is(action.life) || stage_.healed) return;
  Prng dice = stage_.nemesis_dice.split();
  if (!stage_.plan.troubles.has(++stage_.troubles)) return;
  stage_.tell("trouble {}", stage_.troubles);
  crash(member, dice);
}

Member& Nemesis::anyone(Prng& dice) {
  std::vector<Member*> started;
  for (const auto& member : members_) {
    if (member->started()) started.push_back(member.get());
  }
  return *started[dice.below(started.size())];
}

Member& Nemesis::leader_or_anyone(Prng& dice) {
  Member* chosen = &anyone(dice);
  for (const auto& member : members_) {
    if (member->running() && member->role() == raft::RoleName::kLeader && dice.chance(3, 4)) {
      chosen = member.get();
    }
  }
  return *chosen;
}

// -------------------------------------------------------------------------------------------------
// Processes

void Nemesis::crash_someone(Prng dice) {
  // A crash in the middle of a write is the one worth most.
  Member* victim = &anyone(dice);
  if (dice.chance(1, 2)) {
    for (const auto& member : members_) {
      if (checker_.writes(member->id()) && dice.chance(1, 2)) victim = member.get();
    }
  }
  if (dice.chance(1, 3)) victim = &leader_or_anyone(dice);
  crash(*victim, dice);
  if (!dice.chance(1, 20)) return;
  stage_.tell("everybody loses power");
  for (const auto& member : members_) {
    if (member->down()) continue;
    member->crash(Member::End::kPowerCut);
    ended(*member);
  }
}

void Nemesis::crash(Member& member, Prng& dice) {
  if (member.down()) return;
  if (member.running() && member.role() == raft::RoleName::kLeader) {
    leader_crashed_at_ = stage_.now;
  }
  member.crash(dice.chance(1, 2) ? Member::End::kPowerCut : Member::End::kKilled);
  ended(member);
}

void Nemesis::ended(Member& member) {
  Prng& dice = stage_.nemesis_dice;
  stage_.after(up_to(dice, stage_.swarm.down_max), Restart{member.number()});
  if (!stage_.swarm.closes_connections) return;
  for (const auto& other : members_) {
    if (other.get() == &member || !network_.connected(member.number(), other->number())) continue;
    stage_.schedule.add(
        network_.behind(member.number(), other->number()) + exponential(dice, milliseconds(2)),
        PeerHint{PeerHint::What::kClosed, other->number(), member.number(), other->life()});
  }
}

void Nemesis::leads(Term term) {
  stage_.reached(Situation::kLeaderElected);
  if (!newest_leader_term_.is_zero()) {
    stage_.reached(Situation::kLeaderReplaced);
    if (term > newest_leader_term_ + 1) stage_.reached(Situation::kElectionUndecided);
  }
  if (!transferred_from_.is_zero() && term == transferred_from_ + 1) {
    stage_.reached(Situation::kTransferred);
  }
  newest_leader_term_ = std::max(newest_leader_term_, term);
  if (leader_crashed_at_ &&
      stage_.now - *leader_crashed_at_ < stage_.swarm.core.election_timeout_min / 2) {
    stage_.reached(Situation::kFastFailover);
  }
  leader_crashed_at_.reset();
}

void Nemesis::pause_someone(Prng dice) {
  Member& member = leader_or_anyone(dice);
  if (!member.running() || member.paused()) return;
  member.pause();
  stage_.after(up_to(dice, stage_.swarm.pause_max), Resume{member.number(), member.life()});
}

void Nemesis::jump_wall_clock(Prng dice) {
  anyone(dice).jump_wall_clock(seconds(dice.below(10'000)) - seconds(5000));
}

// -------------------------------------------------------------------------------------------------
// The network

void Nemesis::begin_partition(Prng dice) {
  stage_.tell("a partition begins");
  stage_.reached(Situation::kPartition);
  // Cutting off a leader that has clients is what makes logs diverge.
  const std::uint64_t favourite = leader_or_anyone(dice).number();
  network_.partition(dice, members_.size(), favourite);
}

void Nemesis::heal_partition() {
  if (stage_.now < cut_off_until_) return;
  stage_.tell("the partition heals");
  network_.heal_partition();
}

void Nemesis::clog_someone(Prng dice) {
  const Member& member = leader_or_anyone(dice);
  std::optional<std::uint64_t> to;
  if (dice.chance(1, 2)) to = anyone(dice).number();
  const Duration time = up_to(dice, stage_.swarm.clog_max);
  stage_.tell("what {} sends {} is clogged for {} ms", member.id(),
              to ? "to " + std::to_string(*to) : "to anybody", time / milliseconds(1));
  stage_.reached(Situation::kClog);
  network_.clog(member.number(), to, stage_.now + time);
}

void Nemesis::reset_someone(Prng dice) {
  const Member& member = leader_or_anyone(dice);
  const Member& peer = anyone(dice);
  if (&member == &peer) return;
  stage_.tell("the connection from {} to {} is reset", member.id(), peer.id());
  stage_.reached(Situation::kReset);
  network_.reset(dice, member.number(), peer.number());
  for (const auto what : {PeerHint::What::kUnreachable, PeerHint::What::kClosed}) {
    const Member& told = what == PeerHint::What::kUnreachable ? member : peer;
    const Member& about = what == PeerHint::What::kUnreachable ? peer : member;
    stage_.after(exponential(dice, milliseconds(1)),
                 PeerHint{what, told.number(), about.number(), told.life()});
  }
}

void Nemesis::break_connections(Prng dice) {
  const Member& peer = leader_or_anyone(dice);
  stage_.tell("connections with {} are closed", peer.id());
  for (const auto& member : members_) {
    if (member.get() == &peer || dice.chance(1, 6)) continue;
    stage_.after(
        exponential(dice, microseconds(300)),
        PeerHint{PeerHint::What::kClosed, member->number(), peer.number(), member->life()});
  }
}

// -------------------------------------------------------------------------------------------------
// Disks

void Nemesis::fill_disk(Prng dice) {
  Member& member = anyone(dice);
  stage_.tell("the disk of {} is full", member.id());
  stage_.reached(Situation::kDiskFull);
  member.files().set_capacity(member.files().bytes_in_use());
  member.disk_full = true;
  stage_.after(up_to(dice, seconds(5)), Trouble{What::kSpace, member.number()});
}

void Nemesis::damage_someone(Prng dice) {
  Member& member = anyone(dice);
  if (!member.may_be_damaged || member.halted()) return;
  if (const auto what = damage(member.files(), dice)) {
    stage_.tell("the disk of {} is damaged: {}", member.id(), *what);
    stage_.reached(Situation::kDamageDone);
    member.damaged = true;
  }
}

}  // namespace coord::sim

// What an operator does to a simulated cluster: adds, promotes, demotes, removes and replaces
// members, and hands leadership over, at any time and whatever else goes on.
#include <algorithm>
#include <utility>

#include "raft/core/describe.h"
#include "tests/sim/nemesis.h"

namespace coord::sim {

namespace {

void add(std::vector<MemberId>& ids, MemberId id) {
  ids.insert(std::upper_bound(ids.begin(), ids.end(), id), id);
}

MemberId any_of(const std::vector<MemberId>& ids, Prng& dice) {
  return ids.empty() ? MemberId{} : ids[dice.below(ids.size())];
}

}  // namespace

Member* Nemesis::leader() {
  Member* leader = nullptr;
  for (const auto& member : members_) {
    if (!member->running() || member->paused() || member->role() != raft::RoleName::kLeader) {
      continue;
    }
    if (leader == nullptr || member->node().term() > leader->node().term()) leader = member.get();
  }
  return leader;
}

std::optional<raft::Configuration> Nemesis::draw_target(Prng& dice, const Member& leader) {
  raft::Configuration target = leader.node().status().configuration;
  target.outgoing.clear();
  const MemberId voter = any_of(target.voters, dice);
  const MemberId learner = any_of(target.learners, dice);
  // Nobody comes back who was there before: that takes another identity.
  std::vector<MemberId> fresh;
  for (const auto& member : members_) {
    if (!member->started() && !target.contains(member->id())) fresh.push_back(member->id());
  }
  const MemberId newcomer = any_of(fresh, dice);
  const std::uint64_t what = dice.below(10);
  if (dice.chance(1, 6) && !target.learners.empty()) {
    // Many at once: the old voters and the new ones may have few in common.
    std::erase_if(target.voters, [&](MemberId) { return dice.chance(1, 2); });
    for (const MemberId id : std::exchange(target.learners, {})) add(target.voters, id);
  } else if (what < 4 && !newcomer.is_zero()) {
    add(target.learners, newcomer);
  } else if (what < 7 && !learner.is_zero()) {
    std::erase(target.learners, learner);
    add(target.voters, learner);
    // As often as not in the place of another one.
    if (dice.chance(1, 2)) std::erase(target.voters, voter);
  } else if (what < 8) {
    std::erase(target.voters, voter);
    add(target.learners, voter);
  } else if (what < 9 || learner.is_zero()) {
    std::erase(target.voters, voter);
  } else {
    std::erase(target.learners, learner);
  }
  if (target.voters.empty()) return std::nullopt;
  return target;
}

// It takes on more than the others will have gone on by when it is back, and then they may have no
// log for it any more: its own is longer than the snapshot that it is sent.
void Nemesis::cut_off_with_work(Prng& dice, Member& leader) {
  stage_.tell("{} is cut off", leader.id());
  std::array<bool, kMembersMax> alone{};
  alone[leader.number()] = true;
  network_.heal_partition();
  network_.separate(alone);
  const bool long_enough = dice.chance(1, 2);
  cut_off_until_ = stage_.now + up_to(dice, long_enough ? seconds(6) : stage_.swarm.partition_max);
  stage_.after(cut_off_until_ - stage_.now, Trouble{Trouble::What::kRejoin});
  for (std::uint64_t i = dice.below(long_enough ? 2000 : 100); i > 0; --i) {
    static_cast<void>(leader.propose(encode(Command{.stamp = leader.wall_clock()})));
  }
}

void Nemesis::change_members(Prng dice) {
  Member* leader = this->leader();
  if (leader == nullptr) return;
  if (meets(stage_.swarm, Fault::kPartitions) && dice.chance(1, 4)) {
    cut_off_with_work(dice, *leader);
  }
  // Whoever is in a hurry does not wait for one change to be done before asking for the next.
  for (std::uint64_t i = 1 + (dice.chance(1, 4) ? dice.below(6) : 0); i > 0; --i) {
    if (leader->running()) change_members_once(dice, *leader);
  }
}

void Nemesis::change_members_once(Prng& dice, Member& leader) {
  const auto target = draw_target(dice, leader);
  if (!target) return;
  const raft::Configuration before = leader.node().status().configuration;
  stage_.tell("{} is to change the members to {}", leader.id(), raft::describe(*target));
  if (const auto done = leader.change(*target); !done.ok()) {
    stage_.tell("refused: {}", done.error().message);
    stage_.reached(Situation::kChangeRefused);
    return;
  }
  for (const MemberId id : target->learners) {
    Member& member = *members_[id.value() - 1];
    if (!before.contains(id) && !member.started()) {
      stage_.reached(Situation::kMemberAdded);
      member.start();
    }
  }
  for (const MemberId id : target->voters) {
    if (!before.is_voter(id)) stage_.reached(Situation::kLearnerPromoted);
  }
}

void Nemesis::transfer(Prng dice) {
  Member* leader = this->leader();
  if (leader == nullptr) return;
  const MemberId target =
      dice.chance(1, 3) ? MemberId{} : any_of(leader->node().status().configuration.voters, dice);
  stage_.tell("{} is to hand over to {}", leader->id(), target);
  if (leader->transfer(target).ok()) transferred_from_ = leader->node().term();
}

// A leader that sent a snapshot is another one's predecessor before the snapshot is in place.
void Nemesis::unseat(Prng dice, MemberId receiver) {
  Member* leader = this->leader();
  if (leader == nullptr) return;
  if (stage_.swarm.crash_every > Duration(0) && dice.chance(1, 4)) return crash(*leader, dice);
  // The one with the most of its log left is the most likely to go on with entries instead.
  Member* heir = nullptr;
  for (const MemberId id : leader->node().status().configuration.voters) {
    Member& member = *members_[id.value() - 1];
    if (&member == leader || id == receiver || !member.running()) continue;
    if (heir == nullptr || member.flushed() < heir->flushed()) heir = &member;
  }
  if (heir == nullptr) return;
  stage_.tell("{} is to hand over to {}", leader->id(), heir->id());
  if (leader->transfer(heir->id()).ok()) transferred_from_ = leader->node().term();
}

}  // namespace coord::sim

#include "tests/sim/world.h"

#include "tests/sim/damage.h"

namespace coord::sim {

World::World(const Plan& plan, std::size_t trace_lines)
    : stage_(plan, trace_lines),
      network_(stage_),
      checker_(stage_.swarm),
      clients_(stage_, checker_, members_),
      nemesis_(stage_, network_, checker_, members_) {
  const bool grows = stage_.swarm.change_every > Duration(0);
  const std::size_t count = grows ? kMembersMax - 1 : stage_.swarm.configuration.members().size();
  for (std::size_t i = 1; i <= count; ++i) {
    members_.push_back(std::make_unique<Member>(stage_, checker_, *this, MemberId(i)));
  }
  for (const MemberId id : draw_atlas(stage_.nemesis_dice, stage_.swarm.configuration)) {
    at(id.value()).may_be_damaged = true;
  }
  stage_.tell("{}", describe(stage_.swarm));
  if (!stage_.swarm.base.index.is_zero()) stage_.reached(Situation::kNumbersAtTheEdge);
}

World::~World() {
  // They end reads that still wait, whose clients listen to that.
  members_.clear();
}

void World::run() {
  for (const MemberId id : stage_.swarm.configuration.members()) at(id.value()).start();
  clients_.start();
  nemesis_.start();
  while (!stage_.schedule.empty() && stage_.schedule.next_at() < Instant(stage_.plan.with_faults)) {
    process_one();
  }
  stop_faults();
  const std::vector<MemberId> core = draw_core();
  if (checker_.is_settled() && core.size() < checker_.configuration().members().size()) {
    freeze_others(core);
    wake(core);
    expect_progress(core);
    expect_quiet(members_.size());
    stage_.reached(Situation::kCoreHealedAlone);
  }
  network_.become_perfect();
  std::vector<MemberId> all;
  for (const auto& member : members_) {
    if (member->started() && !member->halted()) all.push_back(member->id());
  }
  if (stage_.swarm.lockstep) restart_together(all);
  wake(all);
  expect_progress(all);
  expect_quiet(members_.size());
  expect_calm_beside_the_deaf();
  clients_.judge_history();
  if (stage_.swarm.core.lease_reads) stage_.reached(Situation::kLeaseRead);
}

void World::process_one() {
  auto [at, action] = stage_.schedule.pop();
  stage_.now = at;
  std::visit([this](auto& alternative) { handle(alternative); }, action);
}

void World::run_for(Duration duration) {
  const Instant end = stage_.now + duration;
  while (!stage_.schedule.empty() && stage_.schedule.next_at() < end) process_one();
  stage_.now = end;
}

void World::handle(const Deliver& action) {
  Member& member = at(action.to);
  bool arrives = network_.arrives(action) && member.running();
  // A connection ends with the process; only a faulty network brings up what was sent to a former
  // life.
  if (arrives && action.life != member.life()) {
    arrives = !stage_.swarm.ordered || action.arrival != Arrival::kOriginal;
    if (arrives) stage_.reached(Situation::kOldIncarnationDelivered);
  }
  if (!arrives) return wire_.discard(action.parcel);
  if (action.arrival == Arrival::kDuplicate) stage_.reached(Situation::kDuplicateDelivered);
  if (action.arrival == Arrival::kReplay) stage_.reached(Situation::kReplayDelivered);
  stage_.trace.mix(wire_.hash(action.parcel));
  member.receive(wire_.open(action.parcel));
}

void World::handle(const PeerHint& action) {
  Member& member = at(action.member);
  if (!member.running() || member.life() != action.life) return;
  member.hint(action.what, MemberId(action.peer));
}

void World::handle(const Restart& action) {
  if (!stage_.healed && at(action.member).started()) at(action.member).start();
}

void World::handle(const Resume& action) {
  Member& member = at(action.member);
  if (member.is(action.life) && !stage_.healed) member.resume();
}

void World::on_send(Member& member, std::vector<raft::Message> messages) {
  for (const raft::Message& message : messages) {
    const Network::Copies copies = network_.send(message);
    if (copies.lost && stage_.swarm.reports_loss) {
      stage_.after(network_.delay(),
                   PeerHint{PeerHint::What::kUnreachable, member.number(),
                            static_cast<std::uint8_t>(message.to.value()), member.life()});
    }
    if (copies.count == 0) continue;
    const Wire::Parcel parcel = wire_.pack(message);
    wire_.expect(parcel, static_cast<std::uint32_t>(copies.count));
    const auto to = static_cast<std::uint8_t>(message.to.value());
    for (std::size_t i = 0; i < copies.count; ++i) {
      const Network::Copy& copy = copies.copies[i];
      stage_.schedule.add(
          copy.at, Deliver{parcel, at(to).life(), copies.epoch, member.number(), to, copy.arrival});
    }
  }
}

void World::on_applied(Member& member, raft::LogId id, const Answer& answer) {
  clients_.applied(member, id, answer);
}

void World::on_passed_over(Member& member, Index through) {
  clients_.passed_over(member, through);
}

void World::on_leads(Member& member, Term term) {
  for (const auto& other : members_) {
    // A late vote may still elect the leader of a term that others have left behind.
    if (other->may_read_under_lease() && other->node().term() < term) {
      violated("member {} leads term {} while member {} may still answer reads under its lease",
               member.id(), term, other->id());
    }
  }
  nemesis_.leads(term);
}

void World::on_refused(MemberId removed) {
  at(removed.value()).hear_of_removal();
}

void World::on_stopped(Member& member) {
  clients_.ended(member);
  nemesis_.ended(member);
}

}  // namespace coord::sim

#include "tests/sim/world.h"

#include "raft/core/describe.h"

namespace coord::sim {

namespace {
constexpr ClusterId kCluster{77};
}

World::World(std::uint64_t seed, bool tracing)
    : swarm_(draw_swarm(seed)),
      disk_dice_(Prng(seed ^ 0xd15c).split()),
      nemesis_dice_(Prng(seed ^ 0x4e4e).split()),
      client_dice_(Prng(seed ^ 0xc11e).split()),
      network_(swarm_, Prng(seed ^ 0x4e37).split()),
      checker_(swarm_.configuration),
      tracing_(tracing) {
  swarm_.core.cluster = kCluster;
  members_.resize(swarm_.configuration.members().size());
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[i];
    member.id = MemberId(i + 1);
    member.clock_offset = seconds(nemesis_dice_.below(1000));
    const auto drift = static_cast<std::int64_t>(swarm_.clock_drift);
    member.clock_rate +=
        static_cast<std::int64_t>(nemesis_dice_.below(2 * swarm_.clock_drift + 1)) - drift;
    checker_.add_member(member.id, member.disk);
  }
  tell("{}", describe(swarm_));
  for (Member& member : members_) start(member);
}

void World::run(Duration with_faults) {
  start_nemesis();
  while (!schedule_.empty() && schedule_.next_at() < Instant(with_faults)) process_one();
  heal();
  expect_progress();
  expect_quiet();
}

void World::start_nemesis() {
  using What = Schedule::Nemesis::What;
  again(What::kCrash, swarm_.crash_every);
  again(What::kPause, swarm_.pause_every);
  again(What::kPartition, swarm_.partition_every);
  again(What::kBreak, swarm_.break_every);
  again(What::kPropose, swarm_.propose_every);
  again(What::kRead, swarm_.read_every);
}

void World::process_one() {
  auto [at, action] = schedule_.pop();
  now_ = at;
  std::visit([this](auto& alternative) { handle(alternative); }, action);
}

void World::run_for(Duration duration) {
  const Instant end = now_ + duration;
  while (!schedule_.empty() && schedule_.next_at() < end) process_one();
  now_ = end;
}

void World::handle(Schedule::Deliver& action) {
  Member& member = at(action.message.to);
  if (!member.core) return;
  // A connection ends with the process; only a faulty network brings up what was sent to a former
  // life.
  if (action.incarnation != member.incarnation) {
    if (swarm_.ordered && action.kind == Network::Arrival::Kind::kOriginal) return;
    coverage_.reached(Situation::kOldIncarnationDelivered);
  }
  if (action.kind == Network::Arrival::Kind::kDuplicate) {
    coverage_.reached(Situation::kDuplicateDelivered);
  }
  if (action.kind == Network::Arrival::Kind::kReplay) {
    if (healed_) return;
    coverage_.reached(Situation::kReplayDelivered);
  }
  step(member, raft::Receive{std::move(action.message)});
}

void World::handle(const Schedule::DiskDone& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation)) return;
  member.disk.complete(action.ticket);
  release_held(member, action.ticket);
  step(member, raft::Persisted{action.ticket});
}

void World::handle(const Schedule::Wake& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation) || member.wake_at != now_) return;
  member.wake_at.reset();
  if (local(member) >= member.core->deadline()) {
    step(member, raft::Tick{});
  } else {
    schedule_wake(member);
  }
}

void World::handle(const Schedule::Turn& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation)) return;
  member.turn_scheduled = false;
  if (!member.paused) take_output(member);
}

void World::handle(const Schedule::LoadDone& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation)) return;
  coverage_.reached(Situation::kLoadedFromDisk);
  step(member, member.disk.read(action.load));
}

void World::handle(const Schedule::Hint& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation)) return;
  if (action.closed) {
    if (!member.paused && member.core->leader() == action.peer) {
      coverage_.reached(Situation::kConnectionCloseHint);
    }
    step(member, raft::PeerClosed{action.peer});
  } else {
    step(member, raft::PeerUnreachable{action.peer});
  }
}

void World::handle(const Schedule::Flush& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation)) return;
  schedule_.add(now_ + exponential(disk_dice_, swarm_.flush_every), action);
  if (member.paused) return;
  member.flushed = member.disk.id_at(member.applied);
  const Index cut = std::min(member.flushed.index, member.core->status().held_by_all);
  if (cut < member.disk.first()) return;
  member.disk.cut(cut);
  coverage_.reached(Situation::kLogCut);
  step(member, raft::LogCut{member.disk.id_at(cut)});
}

void World::handle(const Schedule::Nemesis& action) {
  if (healed_) return;
  using What = Schedule::Nemesis::What;
  switch (action.what) {
    case What::kCrash:
      again(action.what, swarm_.crash_every);
      crash_someone();
      break;
    case What::kPause:
      again(action.what, swarm_.pause_every);
      pause_someone();
      break;
    case What::kPartition:
      begin_partition();
      break;
    case What::kHeal:
      end_partition();
      break;
    case What::kBreak:
      again(action.what, swarm_.break_every);
      break_connections();
      break;
    case What::kPropose:
      again(action.what, swarm_.propose_every);
      propose_somewhere();
      break;
    case What::kRead:
      again(action.what, swarm_.read_every);
      read_somewhere();
      break;
  }
}

void World::handle(const Schedule::Restart& action) {
  Member& member = at(action.member);
  if (!member.core) start(member);
}

void World::handle(const Schedule::Crash& action) {
  Member& member = at(action.member);
  if (is_of(member, action.incarnation) && !healed_) crash(member);
}

void World::handle(const Schedule::Resume& action) {
  Member& member = at(action.member);
  if (!is_of(member, action.incarnation) || !member.paused) return;
  tell("{} resumes", member.id);
  member.paused = false;
  for (raft::Event& event : std::exchange(member.inbox, {})) {
    if (member.core) step(member, std::move(event));
  }
  if (member.core) step(member, raft::Tick{});
}

Instant World::local(const Member& member) const {
  return Instant(member.clock_offset + now_.time_since_epoch() * member.clock_rate / 1000);
}

Instant World::global(const Member& member, Instant local) const {
  const Duration since = local.time_since_epoch() - member.clock_offset;
  // Rounded up, so that the clock shows at least that time then.
  return std::max(now_,
                  Instant((since * 1000 + Duration(member.clock_rate - 1)) / member.clock_rate));
}

void World::mix(std::uint64_t value) {
  trace_hash_ = (trace_hash_ ^ value) * 0x9e3779b97f4a7c15u;
  trace_hash_ ^= trace_hash_ >> 29;
}

void World::add_trace(std::string line) {
  trace_.push_back(fmt::format(
      "{:12.6f}  {}", std::chrono::duration<double>(now_.time_since_epoch()).count(), line));
}

}  // namespace coord::sim

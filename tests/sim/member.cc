#include "tests/sim/member.h"

#include <spdlog/logger.h>

#include <algorithm>

#include "raft/core/describe.h"
#include "raft/node/durable_log.h"
#include "raft/storage/format.h"
#include "raft/storage/recovery.h"
#include "tests/sim/dice.h"

namespace coord::sim {

namespace {

constexpr std::size_t kInboxMax = 10'000;

spdlog::logger& silent() {
  static spdlog::logger logger("sim");
  logger.set_level(spdlog::level::off);
  return logger;
}

// A log that begins behind `base`, as if everything before had been cut from it.
std::vector<std::byte> segment_after(raft::LogId base, MemberId member, std::size_t bytes) {
  std::vector<std::byte> segment(bytes);
  const raft::SegmentHeader header{.cluster = kCluster,
                                   .member = member,
                                   .number = 1,
                                   .seed = raft::first_seed(kCluster, member),
                                   .hard_state = {.term = base.term, .vote = {}},
                                   .previous = base,
                                   .file_bytes = bytes};
  raft::encode_segment_header(
      header, std::span<std::byte, raft::kBlockBytes>(segment.data(), raft::kBlockBytes));
  return segment;
}

}  // namespace

Member::Member(Stage& stage, Checker& checker, Observer& observer, MemberId id)
    : stage_(stage),
      checker_(checker),
      observer_(observer),
      id_(id),
      flushed_(stage.swarm.base, stage.swarm.configuration.contains(id) ? stage.swarm.configuration
                                                                        : raft::Configuration{}),
      state_(flushed_) {
  Prng& dice = stage_.clock_dice;
  clock_offset_ = seconds(dice.below(1000));
  const std::uint64_t drift = stage_.swarm.clock_drift;
  const bool extreme = stage_.swarm.extreme_clocks;
  clock_rate_ = static_cast<std::int64_t>(
      1000 - drift + (extreme ? dice.below(2) * 2 * drift : dice.below(2 * drift + 1)));
  if (!stage_.swarm.base.index.is_zero()) {
    files_.put(log_options().directory / raft::segment_name(1),
               segment_after(stage_.swarm.base, id_, log_options().first_segment_bytes));
  }
}

Member::~Member() = default;

raft::LogOptions Member::log_options() const {
  return {.directory = "/log",
          .cluster = kCluster,
          .member = id_,
          .segment_bytes = stage_.swarm.segment_bytes,
          .first_segment_bytes = stage_.swarm.segment_bytes,
          .prepare_in_background = false};
}

// -------------------------------------------------------------------------------------------------
// The process

void Member::start() {
  if (!down() || halted_) return;
  ++life_;
  open();
}

void Member::open() {
  files_.begin(raft::testing::FaultFileSystem::Work::kOther);
  auto opened = raft::Log::open(files_, log_options());
  opening_ = true;
  opening_failed_.reset();
  if (opened.ok()) {
    opened_ = std::move(*opened);
  } else {
    opening_failed_ = opened.error();
  }
  stage_.after(stage_.about(stage_.disk_dice, stage_.swarm.sync_mean) + Duration(1),
               Opened{number(), life_});
}

void Member::handle(const Opened& action) {
  if (!is(action.life) || !opening_) return;
  files_.finish();
  opening_ = false;
  if (opening_failed_) return refuse(*opening_failed_);
  if (!damaged) check_tail();
  begin(std::move(opened_));
}

// What a crash has left behind the end of the log would be taken for a part of it once the log has
// grown up to there.
void Member::check_tail() {
  std::uint64_t newest = 0;
  const auto names = files_.list(log_options().directory);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    newest = std::max(newest, raft::parse_segment_name(name).value_or(0));
  }
  if (newest == 0) return;
  const auto path = log_options().directory / raft::segment_name(newest);
  const std::span<const std::byte> content(files_.bytes(path));
  const auto header = raft::check_segment_header(path, content, kCluster, id_, newest);
  if (!header.ok()) return;
  const auto end = raft::scan_records(path, content, header->seed,
                                      [](const raft::Record&, auto, auto) { return std::nullopt; });
  const auto rest = content.subspan(end.value());
  if (std::any_of(rest.begin(), rest.end(), [](std::byte byte) { return byte != std::byte{}; })) {
    violated("member {} starts with something behind the end of its log, {} of {}", id_,
             end.value(), path.string());
  }
}

void Member::begin(std::unique_ptr<raft::Log> log) {
  auto restored = raft::restore(*log, flushed_.applied(), flushed_.configuration(), installed_);
  if (!restored.ok()) return refuse(restored.error());
  stage_.tell("{} starts with {} entries behind {}, {}", id_, restored->entries.size(),
              restored->applied, raft::describe(restored->hard_state));
  checker_.started(id_, *restored, installed_.index);
  if (flushed_.applied().index > stage_.swarm.base.index) {
    stage_.reached(Situation::kRestartedFromFlush);
  }
  state_ = flushed_;
  log_ = std::make_unique<SimLog>(SimLog::Surroundings{stage_, checker_, files_}, id_, life_,
                                  std::move(log));
  snapshots_ = std::make_unique<SimSnapshots>(
      stage_, SimSnapshots::Host{
                  .number = number(),
                  .later = [this](Duration delay,
                                  std::function<void()> work) { later(delay, std::move(work)); },
                  .flushed = [this]() -> const State& { return flushed_; },
                  .install = [this](State state) { install(std::move(state)); }});
  raft::CoreOptions options = stage_.swarm.core;
  options.cluster = kCluster;
  options.self = id_;
  // The same in every life, on purpose: the driver ought to draw a new one, the core must not
  // depend on it.
  options.seed = stage_.swarm.core.seed + id_.value();
  node_ = std::make_unique<raft::Node>(
      raft::NodeOptions{.core = options,
                        .snapshots = stage_.swarm.snapshots,
                        .log_bytes_kept = stage_.swarm.log_bytes_kept,
                        .log_entries_kept = stage_.swarm.log_entries_kept},
      std::move(*restored),
      raft::Node::Dependencies{.log = *log_,
                               .peers = *this,
                               .state_machine = *this,
                               .observer = *this,
                               .snapshots = *snapshots_,
                               .clock = [this] { return local(); },
                               .logger = &silent()},
      local());
  before_ = node_->status();
  stage_.after(time_to_flush(), Flush{Flush::Stage::kBegin, number(), life_});
  request_turn();
}

void Member::refuse(const Error& error) {
  stage_.tell("{} refuses to start: {}", id_, error.message);
  if (disk_full) return stop_by_itself(error);
  if (!damaged) violated("member {} refuses to start: {}", id_, error.message);
  stage_.reached(Situation::kDamageFound);
  halted_ = true;
  end_process();
}

void Member::stop_by_itself(const Error& error) {
  stage_.tell("{} stops: {}", id_, error.message);
  stage_.reached(Situation::kStoppedByDisk);
  files_.kill(stage_.nemesis_dice.next());
  end_process();
  observer_.on_stopped(*this);
}

void Member::crash(End end) {
  if (down()) return;
  const bool writing = checker_.writes(id_);
  end_process();
  const std::uint64_t seed = stage_.nemesis_dice.next();
  const auto loss = end == End::kPowerCut ? files_.power_cut(seed) : files_.kill(seed);
  stage_.tell("{} {}{}{}", id_, end == End::kPowerCut ? "loses power" : "is killed",
              loss.cut_short ? " in the middle of it" : "", loss.torn ? ", a write is torn" : "");
  if (writing) stage_.reached(Situation::kCrashWithWritesPending);
  if (loss.torn) stage_.reached(Situation::kTornBatch);
}

void Member::end_process() {
  node_.reset();
  log_.reset();
  snapshots_.reset();
  works_.clear();
  works_end_ = {};
  opened_.reset();
  opening_ = false;
  flushing_.reset();
  inbox_.clear();
  wake_at_.reset();
  paused_ = turn_requested_ = false;
  events_since_turn_ = 0;
}

void Member::pause() {
  stage_.tell("{} pauses", id_);
  paused_ = true;
}

void Member::resume() {
  if (!paused_) return;
  stage_.tell("{} resumes", id_);
  paused_ = false;
  // All that has arrived meanwhile is one turn.
  const Life life = life_;
  resuming_ = true;
  for (const auto& each : std::exchange(inbox_, {})) {
    if (is(life)) each();
  }
  resuming_ = false;
  if (is(life)) pump();
}

// -------------------------------------------------------------------------------------------------
// Events

template <class Event>
void Member::step(Event event) {
  if (paused_) return run([this, event]() mutable { step(std::move(event)); });
  event(*node_);
  look(1);
  request_turn();
}

void Member::run(std::function<void()> work) {
  if (!paused_) return work();
  if (inbox_.size() < kInboxMax) inbox_.push_back(std::move(work));
}

void Member::receive(raft::Message message) {
  if (stage_.trace.has_words()) stage_.tell("[{}] {}", id_, raft::describe(message));
  // As the transport does, whose greeting is refused then.
  if (state_.is_removed(message.from)) return observer_.on_refused(message.from);
  step([this, message = std::move(message)](raft::Node& node) mutable {
    const MemberId from = message.from;
    const Term term = message.term;
    const auto* request = std::get_if<raft::VoteRequest>(&message.body);
    const bool wants_vote = request != nullptr && !request->pre_vote;
    const bool transfer = wants_vote && request->transfer;
    node.receive(std::move(message));
    // Whoever sticks to a leader does not listen, unless it is the leader that wants it (Raft
    // §3.10).
    if (wants_vote && node.term() == term) checker_.heard_campaign(id_, from, term);
    if (transfer && node.term() < term) {
      violated("member {} does not hear the campaign of {} for term {}, which its leader asked for",
               id_, from, term);
    }
  });
}

void Member::hint(PeerHint::What what, MemberId peer) {
  const bool closed = what == PeerHint::What::kClosed;
  stage_.tell("[{}] {} {}", id_, peer, closed ? "closed" : "unreachable");
  if (closed && !paused_ && node_->leader() == peer) {
    stage_.reached(Situation::kConnectionCloseHint);
  }
  step([closed, peer](raft::Node& node) {
    closed ? node.peer_closed(peer) : node.peer_unreachable(peer);
  });
}

void Member::handle(const DiskDone& action) {
  if (!is(action.life) || !log_) return;
  auto completion = log_->done();
  if (!completion.ok()) {
    const Error error = completion.error();
    // Damage that was met by a running member: it must not go on, and not start again.
    if (damaged && error.code == ErrorCode::kCorrupt) stage_.reached(Situation::kDamageFound);
    return stop_by_itself(error);
  }
  if (stage_.trace.has_words()) stage_.tell("[{}] disk done", id_);
  step([completion = std::move(*completion)](raft::Node& node) { completion(node); });
}

void Member::later(Duration delay, std::function<void()> work) {
  works_end_ = std::max(works_end_, stage_.now + delay);
  works_.push_back(std::move(work));
  stage_.schedule.add(works_end_, Work{number(), life_});
}

void Member::handle(const Work& action) {
  if (!is(action.life) || !node_) return;
  const auto work = std::move(works_.front());
  works_.pop_front();
  step([work](raft::Node&) { work(); });
}

// Atomic, like the replacement of a file.
void Member::install(State state) {
  stage_.tell("[{}] its state is now as of {}", id_, state.applied());
  stage_.reached(Situation::kSnapshotInstalled);
  checker_.installed(id_, state);
  installed_ = state.applied();
  flushed_ = state_ = std::move(state);
  flushing_.reset();
  observer_.on_passed_over(*this, installed_.index);
  // Between the state and the log that has to follow it.
  if (stage_.swarm.crash_every > Duration(0) && stage_.disk_dice.chance(1, 8)) {
    stage_.after(up_to(stage_.disk_dice, stage_.swarm.sync_mean), Crash{number(), life_});
  }
}

void Member::handle(const Wake& action) {
  if (!is(action.life) || wake_at_ != stage_.now) return;
  wake_at_.reset();
  if (paused_ || !node_) return;
  if (local() >= node_->deadline()) {
    pump();
  } else {
    schedule_wake();
  }
}

void Member::handle(const Turn& action) {
  if (!is(action.life)) return;
  turn_requested_ = false;
  if (!paused_) pump();
}

void Member::request_turn() {
  if (resuming_) return;
  if (stage_.swarm.turn_max == Duration(0) || stage_.healed) return pump();
  if (turn_requested_) return;
  turn_requested_ = true;
  stage_.after(up_to(stage_.clock_dice, stage_.swarm.turn_max), Turn{number(), life_});
}

void Member::hear_of_removal() {
  if (!node_) return;
  stage_.reached(Situation::kRemovedMemberRefused);
  removed_ = true;
  step([](raft::Node&) {});
}

void Member::pump() {
  if (events_since_turn_ > 1) stage_.reached(Situation::kManyEventsInOneOutput);
  events_since_turn_ = 0;
  const Index applied = node_->applied();
  const bool tick = local() >= node_->deadline();
  node_->pump(local());
  if (tick) stage_.tell("[{}] tick", id_);
  look((tick ? 1 : 0) + (node_->applied() > applied ? 1 : 0));
  checker_.knows_committed(id_, before_.term, before_.commit, before_.configuration);
  check_handover();
  events_since_turn_ = 0;
  if (removed_) {
    stage_.tell("{} was removed and ends", id_);
    halted_ = true;
    files_.kill(stage_.nemesis_dice.next());
    end_process();
    return observer_.on_stopped(*this);
  }
  schedule_wake();
}

void Member::look(int events) {
  stage_.events += static_cast<std::uint64_t>(events);
  events_since_turn_ += events;
  raft::CoreStatus status = node_->status();
  checker_.moment(node_->core(), status, before_);
  check_bounds(status);
  if (status.term != before_.term || status.transferring_to != before_.transferring_to) {
    transferring_since_ = local();
  }
  cover(status);
  Trace& trace = stage_.trace;
  trace.mix(static_cast<std::uint64_t>(stage_.now.time_since_epoch().count()) ^ id_.value() << 56);
  trace.mix(status.term.value() ^ status.last.index.value() << 20 ^ status.commit.value() << 40);
  trace.mix(static_cast<std::uint64_t>(status.role) ^ status.durable.value() << 8 ^
            state_.digest());
  before_ = std::move(status);
}

// A handover has an end (Raft §3.10): at the latest in the turn in which its time is over, which
// for a process that was stopped is its first one.
void Member::check_handover() const {
  const raft::CoreOptions& options = stage_.swarm.core;
  if (before_.role != raft::RoleName::kLeader || before_.transferring_to.is_zero() ||
      local() - transferring_since_ <= options.election_timeout_min + options.heartbeat_interval) {
    return;
  }
  violated("member {} has been handing its leadership over to {} for {} ms", id_,
           before_.transferring_to, (local() - transferring_since_) / milliseconds(1));
}

// What a leader has taken on without knowing that it can be committed has a bound.
void Member::check_bounds(const raft::CoreStatus& status) const {
  if (status.role != raft::RoleName::kLeader) return;
  const bool as_before = before_.role == status.role && before_.term == status.term;
  const raft::CoreOptions& options = stage_.swarm.core;
  // A configuration is always taken, and so is one entry, however large.
  if (as_before && status.configuration_index == before_.configuration_index &&
      before_.uncommitted_bytes > 0 && status.uncommitted_bytes > before_.uncommitted_bytes &&
      status.uncommitted_bytes > options.uncommitted_bytes_max) {
    violated("member {} takes on {} bytes that are not committed", id_, status.uncommitted_bytes);
  }
}

void Member::cover(const raft::CoreStatus& status) {
  if (status.commit > status.durable) {
    stage_.reached(Situation::kCommitAheadOfDisk);
    if (status.role == raft::RoleName::kLeader) {
      stage_.reached(Situation::kCommitBeforeLeadersDisk);
    }
  }
  if (status.commit > before_.commit && status.configuration.members().size() == 1) {
    stage_.reached(Situation::kSingleMemberCommit);
  }
}

void Member::schedule_wake() {
  const Instant deadline = node_->deadline();
  if (deadline == Instant::max()) return;
  const Instant at = global(deadline);
  if (wake_at_ && *wake_at_ <= at) return;
  wake_at_ = at;
  stage_.schedule.add(at, Wake{number(), life_});
}

Duration Member::time_to_flush() {
  const bool rarely = stage_.swarm.uneven_flushes && id_.value() % 3 == 0;
  return exponential(stage_.disk_dice, stage_.swarm.flush_every * (rarely ? 10 : 1));
}

void Member::handle(const Flush& action) {
  if (!is(action.life) || !node_) return;
  if (action.stage == Flush::Stage::kBegin) {
    stage_.after(time_to_flush() + microseconds(1), action);
    if (paused_ || flushing_ || state_.applied() == flushed_.applied()) return;
    flushing_ = state_;
    stage_.after(2 * exponential(stage_.disk_dice, stage_.swarm.sync_mean) + Duration(1),
                 Flush{Flush::Stage::kDone, number(), life_});
    return;
  }
  if (!flushing_) return;  // a snapshot has taken its place
  flushed_ = std::move(*flushing_);
  flushing_.reset();
  step([through = flushed_.applied()](raft::Node& node) { node.flushed(through); });
}

}  // namespace coord::sim

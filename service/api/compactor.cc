#include "service/api/compactor.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "service/api/command.h"

namespace coord::service {

namespace {

// So many times within `keep` the revision is noted: history is kept for that fraction longer.
constexpr int kSamples = 128;
constexpr Duration kIntervalMin = milliseconds(10);

kj::Duration to_kj(Duration duration) {
  return duration.count() * kj::NANOSECONDS;
}

Error shutting_down() {
  return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
}
Error not_leading() {
  return make_error(ErrorCode::kNotLeader, "this member does not lead");
}

Error already_compacted(Revision line, Revision oldest) {
  Error error = make_error(ErrorCode::kCompacted,
                           "history before revision {} is gone already, the oldest revision kept "
                           "is {}",
                           line, oldest);
  error.revision = oldest;
  return error;
}

Error in_the_future(Revision line, Revision newest) {
  Error error = make_error(ErrorCode::kFutureRevision,
                           "revision {} is in the future, the newest is {}", line, newest);
  error.revision = newest;
  return error;
}

Error too_many(std::size_t waiting) {
  Error error = make_error(ErrorCode::kOverloaded, "{} requests to compact wait already", waiting);
  error.retry_after = milliseconds(100);
  return error;
}

Error goes_on(Revision line, Revision oldest) {
  Error error = make_error(ErrorCode::kDeadlineExceeded,
                           "the oldest revision kept is {} by now; on the way to {} the leader "
                           "goes on",
                           oldest, line);
  error.outcome = Outcome::kUnknown;
  return error;
}

}  // namespace

Compactor::Compactor(const State& state, Committer& committer, Clock clock,
                     std::function<bool()> may_propose, CompactorOptions options)
    : state_(state),
      committer_(committer),
      clock_(std::move(clock)),
      may_propose_(std::move(may_propose)),
      options_(options),
      sweeper_(clock_.timer, [this] { return sweep(); }),
      tasks_(*this) {
  note();
  running_ = run(interval());
}

// --- What is to be kept --------------------------------------------------------------------------

Duration Compactor::interval() const {
  return std::max<Duration>(options_.keep / kSamples, kIntervalMin);
}

void Compactor::note() {
  const Instant now = clock_.now();
  const Revision revision = state_.revision();
  if (trail_.empty() || now - trail_.back().at >= interval()) trail_.push_back({now, revision});
  // Only the newest of those that are old enough counts.
  while (trail_.size() > 1 && now - trail_[1].at >= options_.keep) trail_.pop_front();
}

Revision Compactor::due() const {
  if (clock_.now() - trail_.front().at < options_.keep) return {};
  const std::uint64_t newest = state_.revision().value();
  if (newest <= options_.revisions_kept) return {};
  // What was the newest revision then can still be read.
  return std::min(trail_.front().revision, Revision(newest - options_.revisions_kept));
}

Revision Compactor::target() const {
  return std::max(due(), wanted_);
}

std::uint64_t Compactor::backlog() const {
  const Revision line = state_.compacted();
  return target() > line ? target() - line : 0;
}

// --- Moving the line -----------------------------------------------------------------------------

rpc::Task<void> Compactor::run(Duration first_pause) {
  Duration pause = first_pause;
  while (true) {
    co_await clock_.timer.afterDelay(to_kj(pause));
    hurried_ = false;
    note();
    if (leads_) advance();
    pause = leads_ && backlog() > 0 ? std::min(options_.tick, interval()) : interval();
  }
}

// Once: whoever asks in every turn must not have it begin anew in every turn.
void Compactor::hurry() {
  if (!std::exchange(hurried_, true)) running_ = run(Duration(0));
}

void Compactor::advance() {
  const Instant now = clock_.now();
  const Duration since =
      std::min<Duration>(now - std::exchange(allowed_at_, now), 4 * options_.tick);
  proposed_ = std::max(proposed_, state_.compacted());
  const Revision line = target();
  if (line <= proposed_ || !may_propose_()) {
    allowance_ = 0;
    return;
  }
  const auto seconds_of = [](Duration time) { return std::chrono::duration<double>(time).count(); };
  const double wish = static_cast<double>(line - proposed_) / seconds_of(options_.catch_up);
  const double rate = std::clamp(wish, static_cast<double>(options_.rate_min),
                                 static_cast<double>(options_.rate_max));
  allowance_ += rate * seconds_of(since);
  // The last part of a backlog goes at once.
  while (proposed_ < line && in_flight_.size() < limits::kCompactCommandsMax && allowance_ > 0) {
    const CompactionStep step = state_.compaction_step(proposed_, line, limits::kCompactChangesMax,
                                                       limits::kCompactBytesMax);
    allowance_ -= static_cast<double>(step.changes);
    proposed_ = step.line;
    tasks_.add(propose(step.line));
  }
}

rpc::Task<void> Compactor::propose(Revision line) {
  const std::uint64_t round = round_;
  const std::uint64_t number = ++newest_;
  in_flight_.insert(number);
  Bytes command = encode_compact(line, clock_.wall_ms());
  auto committing = committer_.commit(std::move(command), clock_.now() + options_.commit_patience);
  const auto result = co_await kj::mv(committing);
  if (round != round_) co_return;
  in_flight_.erase(number);
  const bool refused = !result.ok() && result.error().outcome == Outcome::kNotApplied;
  if (!refused) newest_settled_ = std::max(newest_settled_, number);
  // What was not applied is proposed again, once nothing is in flight.
  if (!result.ok()) allowance_ = 0;
  if (in_flight_.empty()) proposed_ = state_.compacted();
}

bool Compactor::may_be_applied_since(std::uint64_t proposal) const {
  return newest_settled_ > proposal || (!in_flight_.empty() && *in_flight_.rbegin() > proposal);
}

void Compactor::on_compacted(Revision oldest_kept) {
  while (!waiting_.empty() && waiting_.begin()->first <= oldest_kept) {
    waiting_.begin()->second.answer->fulfill(Status::success());
    waiting_.erase(waiting_.begin());
  }
}

// --- Being asked ---------------------------------------------------------------------------------

kj::Promise<Status> Compactor::compact(Revision line, Instant deadline) {
  if (shut_down_) return Status(shutting_down());
  if (!leads_) return Status(not_leading());
  if (line > state_.revision()) return Status(in_the_future(line, state_.revision()));
  if (line <= state_.compacted()) return Status(already_compacted(line, state_.compacted()));
  if (waiting_.size() >= options_.waiting_max) return Status(too_many(waiting_.size()));
  wanted_ = std::max(wanted_, line);
  auto waiter = kj::newPromiseAndFulfiller<Status>();
  waiting_.emplace(line, Waiting{kj::mv(waiter.fulfiller), deadline, newest_});
  sweeper_.wake();
  hurry();
  return kj::mv(waiter.promise);
}

void Compactor::on_fact(const raft::Fact& fact) {
  if (std::holds_alternative<raft::LeadershipConfirmed>(fact)) {
    leads_ = !shut_down_;
    ++round_;
    in_flight_.clear();
    proposed_ = state_.compacted();
    hurried_ = false;
    running_ = run(options_.tick);
  } else if (std::holds_alternative<raft::SteppedDown>(fact) ||
             std::holds_alternative<raft::BecameFollower>(fact)) {
    stop_leading(not_leading());
  }
}

void Compactor::stop_leading(const Error& reason) {
  leads_ = false;
  wanted_ = {};
  for (auto& [line, waiting] : waiting_) {
    Error error = reason;
    if (may_be_applied_since(waiting.since)) error.outcome = Outcome::kUnknown;
    waiting.answer->fulfill(Status(std::move(error)));
  }
  waiting_.clear();
}

bool Compactor::sweep() {
  const Instant now = clock_.now();
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const bool over = it->second.deadline <= now || !it->second.answer->isWaiting();
    if (over) it->second.answer->fulfill(Status(goes_on(it->first, state_.compacted())));
    it = over ? waiting_.erase(it) : std::next(it);
  }
  return !waiting_.empty();
}

void Compactor::shut_down() {
  shut_down_ = true;
  stop_leading(shutting_down());
}

void Compactor::taskFailed(kj::Exception&& exception) {
  // Committer::commit() never rejects.
  check_failed(__FILE__, __LINE__, "no task fails", exception.getDescription().cStr());
}

}  // namespace coord::service

#include "service/api/lock_waiters.h"

#include <iterator>
#include <utility>

namespace coord::service {

namespace {

using Answer = Result<LockStanding>;

Error shutting_down() {
  return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
}

bool settled(const LockStanding& standing) {
  return !std::holds_alternative<Queued>(standing);
}

}  // namespace

LockWaiters::LockWaiters(const State& state, Clock clock, std::size_t waiting_max)
    : state_(state),
      clock_(std::move(clock)),
      waiting_max_(waiting_max),
      sweeper_(clock_.timer, [this] { return sweep(); }) {}

kj::Promise<Answer> LockWaiters::wait(const LockName& name, LeaseId lease, Instant deadline) {
  if (shut_down_) return Answer(shutting_down());
  const LockStanding standing = state_.lock_standing(name, lease);
  if (settled(standing) || deadline <= clock_.now()) return Answer(standing);
  if (waiting_.size() >= waiting_max_) {
    return Answer(
        make_error(ErrorCode::kOverloaded, "{} requests are waiting for locks", waiting_.size()));
  }
  auto waiter = kj::newPromiseAndFulfiller<Answer>();
  waiting_.emplace(name, Waiting{lease, kj::mv(waiter.fulfiller), deadline});
  sweeper_.wake();
  return kj::mv(waiter.promise);
}

void LockWaiters::on_lock_changed(const LockName& name) {
  if (waiting_.contains(name)) changed_.insert(name);
}

void LockWaiters::after_apply() {
  for (const LockName& name : changed_) look_at(name);
  changed_.clear();
}

void LockWaiters::on_reloaded() {
  for (const auto& [name, waiting] : waiting_) changed_.insert(name);
  after_apply();
}

void LockWaiters::look_at(const LockName& name) {
  // One look at the lock for all who wait: a long queue is not searched once for each of them.
  std::set<LeaseId> queued;
  std::map<LeaseId, LockToken> held;
  if (const auto lock = state_.lock(name)) {
    for (const LockHolder& waiter : lock->waiters) queued.insert(waiter.lease);
    for (const LockHolder& holder : lock->holders) held.emplace(holder.lease, holder.token);
  }
  auto [it, end] = waiting_.equal_range(name);
  while (it != end) {
    Waiting& waiting = it->second;
    const auto grant = held.find(waiting.lease);
    if (grant != held.end()) {
      waiting.answer->fulfill(Answer(LockStanding(Granted{grant->second})));
    } else if (!queued.contains(waiting.lease)) {
      waiting.answer->fulfill(Answer(LockStanding(NotQueued{})));
    } else {
      ++it;
      continue;
    }
    it = waiting_.erase(it);
  }
}

bool LockWaiters::sweep() {
  const Instant now = clock_.now();
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    Waiting& waiting = it->second;
    const bool over = waiting.deadline <= now || !waiting.answer->isWaiting();
    if (over) waiting.answer->fulfill(Answer(state_.lock_standing(it->first, waiting.lease)));
    it = over ? waiting_.erase(it) : std::next(it);
  }
  return !waiting_.empty();
}

void LockWaiters::shut_down() {
  shut_down_ = true;
  for (auto& [name, waiting] : waiting_) waiting.answer->fulfill(Answer(shutting_down()));
  waiting_.clear();
}

}  // namespace coord::service

#include "service/state/locks.h"

#include <algorithm>
#include <utility>

#include "raft/base/limits.h"
#include "service/state/printable.h"
#include "service/state/put_check.h"
#include "service/state/reserved.h"

namespace coord::service {

namespace {

std::optional<std::size_t> index_of(const std::vector<LockPlace>& places, LeaseId lease) {
  const auto place = std::ranges::find(places, lease, &LockPlace::lease);
  if (place == places.end()) return std::nullopt;
  return static_cast<std::size_t>(place - places.begin());
}

std::optional<std::size_t> index_of(const std::vector<LockPlace>& places, LockToken token) {
  const auto place = std::ranges::find(places, token, &LockPlace::token);
  if (place == places.end()) return std::nullopt;
  return static_cast<std::size_t>(place - places.begin());
}

bool may_enter(const StoredLock& lock, LockMode mode) {
  if (lock.holders.empty()) return true;
  return lock.mode == LockMode::kShared && mode == LockMode::kShared &&
         lock.holders.size() < limits::kLockHoldersMax;
}

const char* noun(const LockName& name) {
  return name.election ? "election" : "lock";
}

Error stale_token(const LockName& name, LockToken token) {
  return make_error(ErrorCode::kStaleToken, "token {} is not that of a holder of the {} {}", token,
                    noun(name), printable(name.name));
}

Error not_held(const LockName& name, LeaseId lease) {
  return make_error(ErrorCode::kLockNotHeld, "lease {} does not hold the {} {}", lease, noun(name),
                    printable(name.name));
}

LockStanding standing_in(const StoredLock& lock, LeaseId lease) {
  if (const auto held = index_of(lock.holders, lease)) return Granted{lock.holders[*held].token};
  if (const auto waiting = index_of(lock.waiters, lease)) return Queued{*waiting};
  return NotQueued{};
}

// What the holders look like from outside.
std::string mirror_value(const LockName& name, const StoredLock& lock) {
  if (name.election) return lock.value;
  std::string lines;
  for (const LockPlace& holder : lock.holders) {
    lines += fmt::format("{} {}\n", holder.token, holder.lease);
  }
  return lines;
}

}  // namespace

Result<LockStanding> Locks::acquire(const LockRequest& request, std::uint64_t now_ms) {
  const LockName& name = request.name;
  if (!leases_.exists(request.lease)) return lease_not_found(request.lease);
  if (name.election && request.mode != LockMode::kExclusive) {
    return make_error(ErrorCode::kInvalidArgument, "a leadership cannot be shared");
  }
  StoredLock lock = find_or_new(name);
  const auto held = index_of(lock.holders, request.lease);
  const auto waiting = index_of(lock.waiters, request.lease);
  if (held || waiting) {
    const LockMode mode = held ? lock.holders[*held].mode : lock.waiters[*waiting].mode;
    if (mode == request.mode) return standing_in(lock, request.lease);
    return make_error(ErrorCode::kLockModeMismatch,
                      "lease {} holds or awaits the lock {} in the other mode", request.lease,
                      printable(name.name));
  }
  LockPlace place{.lease = request.lease,
                  .since_ms = now_ms,
                  .mode = request.mode,
                  .value = std::string(name.election ? request.value : std::string_view())};
  const bool enters = lock.waiters.empty() && may_enter(lock, request.mode);
  if (!enters && !request.wait) {
    return make_error(ErrorCode::kLockBusy, "the {} {} is taken", noun(name), printable(name.name));
  }
  if (!enters && lock.waiters.size() >= limits::kLockWaitersMax) {
    return make_error(ErrorCode::kOverloaded, "{} wait for the {} {} already", lock.waiters.size(),
                      noun(name), printable(name.name));
  }
  leases_.add_place(request.lease, name);
  if (enters) {
    grant(name, lock, std::move(place), now_ms);
  } else {
    lock.waiters.push_back(std::move(place));
  }
  save(name, lock);
  return standing_in(lock, request.lease);
}

Status Locks::release(const LockName& name, LeaseId lease, LockToken token, std::uint64_t now_ms) {
  StoredLock lock = find_or_new(name);
  const auto held = index_of(lock.holders, lease);
  if (!held) return not_held(name, lease);
  if (!token.is_zero() && lock.holders[*held].token != token) return stale_token(name, token);
  remove_holder(name, lock, *held, now_ms);
  save(name, lock);
  return Status::success();
}

LockStanding Locks::cancel(const LockName& name, LeaseId lease, std::uint64_t now_ms) {
  StoredLock lock = find_or_new(name);
  if (const auto waiting = index_of(lock.waiters, lease)) {
    remove_waiter(name, lock, *waiting, now_ms);
    save(name, lock);
  }
  return standing_in(lock, lease);
}

Status Locks::break_hold(const LockName& name, LockToken token, std::uint64_t now_ms) {
  auto lock = find(name);
  if (!lock || lock->holders.empty()) {
    return make_error(ErrorCode::kLockNotFound, "nobody holds the {} {}", noun(name),
                      printable(name.name));
  }
  const auto held = index_of(lock->holders, token);
  if (!held) return stale_token(name, token);
  remove_holder(name, *lock, *held, now_ms);
  save(name, *lock);
  return Status::success();
}

Status Locks::proclaim(const std::string& election, LeaseId lease, LockToken token,
                       std::string_view value) {
  const LockName name{true, election};
  StoredLock lock = find_or_new(name);
  const auto held = index_of(lock.holders, lease);
  if (!held) return not_held(name, lease);
  if (lock.holders[*held].token != token) return stale_token(name, token);
  lock.value = value;
  lock.revision = keys_.next_revision();
  const std::string key = mirror_key(name);
  keys_.put(key, lock.value, lease);
  keys_.finish();
  save(name, lock);
  return Status::success();
}

void Locks::leave(const LockName& name, LeaseId lease, std::uint64_t now_ms) {
  StoredLock lock = find_or_new(name);
  if (const auto held = index_of(lock.holders, lease)) {
    remove_holder(name, lock, *held, now_ms);
  } else if (const auto waiting = index_of(lock.waiters, lease)) {
    remove_waiter(name, lock, *waiting, now_ms);
  } else {
    return;
  }
  save(name, lock);
}

// The lock's new holder; its place in the queue, if it had one, has been taken away.
void Locks::grant(const LockName& name, StoredLock& lock, LockPlace place, std::uint64_t now_ms) {
  const Revision revision = keys_.next_revision();
  place.token = LockToken(revision.value());
  place.since_ms = now_ms;
  lock.mode = place.mode;
  lock.revision = revision;
  lock.value = std::exchange(place.value, {});
  lock.holders.push_back(std::move(place));
  const std::string key = mirror_key(name);
  const std::string value = mirror_value(name, lock);
  if (lock.holders.size() > 1) {
    keys_.put(key, value, LeaseId());
  } else {
    const bool shared = lock.mode == LockMode::kShared;
    keys_.put_anew(key, value, shared ? LeaseId() : lock.holders.front().lease);
  }
  keys_.finish();
}

void Locks::remove_holder(const LockName& name, StoredLock& lock, std::size_t index,
                          std::uint64_t now_ms) {
  const auto holder = lock.holders.begin() + static_cast<std::ptrdiff_t>(index);
  leases_.remove_place(holder->lease, name);
  lock.holders.erase(holder);
  lock.value.clear();
  // A lock that passes on tells so in one change: that of the next grant.
  if (!lock.holders.empty() || lock.waiters.empty()) {
    const std::string key = mirror_key(name);
    const std::string value = mirror_value(name, lock);
    lock.revision = keys_.next_revision();
    if (lock.holders.empty()) {
      keys_.erase(key);
    } else {
      keys_.put(key, value, LeaseId());
    }
    keys_.finish();
  }
  grant_next(name, lock, now_ms);
}

void Locks::remove_waiter(const LockName& name, StoredLock& lock, std::size_t index,
                          std::uint64_t now_ms) {
  const auto waiter = lock.waiters.begin() + static_cast<std::ptrdiff_t>(index);
  leases_.remove_place(waiter->lease, name);
  lock.waiters.erase(waiter);
  grant_next(name, lock, now_ms);
}

void Locks::grant_next(const LockName& name, StoredLock& lock, std::uint64_t now_ms) {
  std::size_t granted = 0;
  while (granted < lock.waiters.size() && may_enter(lock, lock.waiters[granted].mode)) {
    grant(name, lock, std::move(lock.waiters[granted]), now_ms);
    ++granted;
  }
  lock.waiters.erase(lock.waiters.begin(),
                     lock.waiters.begin() + static_cast<std::ptrdiff_t>(granted));
}

void Locks::save(const LockName& name, const StoredLock& lock) {
  const std::string key = lock_key(name);
  if (lock.holders.empty() && lock.waiters.empty()) {
    writer_.erase(Table::kLocks, key);
  } else {
    encode(lock, buffer_);
    writer_.put(Table::kLocks, key, buffer_);
  }
  observer_.on_lock_changed(name);
}

Status Locks::check_guard(const LockName& name, LockToken token) const {
  const auto lock = find(name);
  if (token.is_zero() || !lock || !index_of(lock->holders, token)) return stale_token(name, token);
  return Status::success();
}

std::optional<StoredLock> Locks::find(const LockName& name) const {
  const std::string key = lock_key(name);
  const auto bytes = writer_.tables().get(Table::kLocks, key);
  if (!bytes) return std::nullopt;
  return read_record<StoredLock>(Table::kLocks, key, *bytes);
}

StoredLock Locks::find_or_new(const LockName& name) const {
  return find(name).value_or(StoredLock());
}

LockStanding Locks::standing(const LockName& name, LeaseId lease) const {
  return standing_in(find_or_new(name), lease);
}

std::vector<LockRecord> Locks::list(bool elections, std::string_view prefix,
                                    std::string_view cursor, std::size_t limit) const {
  std::vector<LockRecord> records;
  const std::string first = lock_key({elections, std::string(prefix)});
  const std::string after = lock_key({elections, std::string(cursor)});
  const auto position = writer_.tables().seek(Table::kLocks, std::max(first, after));
  for (; position->valid() && records.size() < limit; position->next()) {
    if (!position->key().starts_with(first)) break;
    const LockName name = lock_of_key(position->key());
    if (!cursor.empty() && name.name == cursor) continue;
    records.push_back(to_lock_record(
        name, read_record<StoredLock>(Table::kLocks, position->key(), position->value())));
  }
  return records;
}

LockRecord to_lock_record(const LockName& name, const StoredLock& lock) {
  LockRecord record;
  record.name = name;
  record.mode = lock.mode;
  record.value = lock.value;
  record.revision = lock.revision;
  for (const LockPlace& place : lock.holders) {
    record.holders.push_back({place.lease, place.token, place.since_ms});
  }
  for (const LockPlace& place : lock.waiters) {
    record.waiters.push_back({place.lease, place.token, place.since_ms});
  }
  return record;
}

}  // namespace coord::service

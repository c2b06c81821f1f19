// Locks and elections: who holds, who waits, and who is next. An election is an exclusive lock
// whose holder publishes a value.
//
// - First come, first served, and nobody overtakes: a shared request behind a waiting exclusive one
//   waits too. Whatever lets a waiter in grants it in the same write: a release, the end of a
//   lease, a cancelled request that was in the way. Shared requests at the head are granted
//   together.
// - Every grant takes a revision of its own, which is its token: the revision of the change that
//   mirrors it at mirror_key(). So tokens grow, over all locks, and no two are equal.
// - The mirror exists only while there is a holder. For every holder that enters alone it is made
//   anew, so that an exclusive holder's token is its create revision; its lease is then that
//   holder's (without being attached to it), and none for shared holders.
// - A lease has one hold or one place in the queue of a lock. A lock that nobody holds or waits for
//   does not exist.
//
// Functions here make changes in the keyspace and finish them; an Error means that nothing changed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/base/result.h"
#include "service/state/keyspace.h"
#include "service/state/lease_table.h"
#include "service/state/results.h"
#include "service/state/state.h"
#include "service/state/table_writer.h"

namespace coord::service {

struct LockRequest {
  LockName name;
  LeaseId lease;
  LockMode mode = LockMode::kExclusive;
  bool wait = false;
  std::string_view value;  // elections
};

class Locks {
 public:
  Locks(TableWriter& writer, Keyspace& keys, LeaseTable& leases, StateObserver& observer)
      : writer_(writer), keys_(keys), leases_(leases), observer_(observer) {}

  // kLeaseNotFound, kInvalidArgument (a shared election), kLockBusy (it would have to wait and does
  // not want to), kLockModeMismatch, kOverloaded (the queue is full).
  Result<LockStanding> acquire(const LockRequest& request, std::uint64_t now_ms);
  // kLockNotHeld, kStaleToken. A token of zero: whatever the lease holds.
  Status release(const LockName& name, LeaseId lease, LockToken token, std::uint64_t now_ms);
  // What is left of the place: a grant that came first stays.
  LockStanding cancel(const LockName& name, LeaseId lease, std::uint64_t now_ms);
  // kLockNotFound, kStaleToken.
  Status break_hold(const LockName& name, LockToken token, std::uint64_t now_ms);
  // kLockNotHeld, kStaleToken.
  Status proclaim(const std::string& election, LeaseId lease, LockToken token,
                  std::string_view value);
  // Gives up the lease's hold or place, if it has one.
  void leave(const LockName& name, LeaseId lease, std::uint64_t now_ms);

  // kStaleToken if that is not the token of a holder.
  Status check_guard(const LockName& name, LockToken token) const;

  std::optional<StoredLock> find(const LockName& name) const;
  LockStanding standing(const LockName& name, LeaseId lease) const;
  std::vector<LockRecord> list(bool elections, std::string_view prefix, std::string_view cursor,
                               std::size_t limit) const;

 private:
  StoredLock find_or_new(const LockName& name) const;
  void grant(const LockName& name, StoredLock& lock, LockPlace place, std::uint64_t now_ms);
  void remove_holder(const LockName& name, StoredLock& lock, std::size_t index,
                     std::uint64_t now_ms);
  void remove_waiter(const LockName& name, StoredLock& lock, std::size_t index,
                     std::uint64_t now_ms);
  void grant_next(const LockName& name, StoredLock& lock, std::uint64_t now_ms);
  void save(const LockName& name, const StoredLock& lock);

  TableWriter& writer_;
  Keyspace& keys_;
  LeaseTable& leases_;
  StateObserver& observer_;
  std::string buffer_;
};

LockRecord to_lock_record(const LockName& name, const StoredLock& lock);

}  // namespace coord::service

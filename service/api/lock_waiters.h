// Requests that wait for a lock: each is answered when its lease holds the lock, or has no place in
// the queue any more, or when its deadline has passed.
//
// Loop thread.
#pragma once

#include <kj/async.h>

#include <map>
#include <set>

#include "service/api/clock.h"
#include "service/api/sweeper.h"
#include "service/state/state.h"

namespace coord::service {

class LockWaiters {
 public:
  LockWaiters(const State& state, Clock clock, std::size_t waiting_max);
  LockWaiters(const LockWaiters&) = delete;
  LockWaiters& operator=(const LockWaiters&) = delete;

  // What the lease's standing is: granted or absent, or queued if it still is at the deadline.
  // Errors: kOverloaded, kShuttingDown.
  kj::Promise<Result<LockStanding>> wait(const LockName& name, LeaseId lease, Instant deadline);

  // Within apply(), see StateObserver.
  void on_lock_changed(const LockName& name);
  // Everybody's lock may have changed.
  void on_reloaded();
  // When the state may be read again.
  void after_apply();
  void shut_down();

 private:
  struct Waiting {
    LeaseId lease;
    kj::Own<kj::PromiseFulfiller<Result<LockStanding>>> answer;
    Instant deadline;
  };

  void look_at(const LockName& name);
  bool sweep();

  const State& state_;
  Clock clock_;
  std::size_t waiting_max_;
  std::multimap<LockName, Waiting> waiting_;
  // Changed since the last look, and waited for.
  std::set<LockName> changed_;
  bool shut_down_ = false;
  Sweeper sweeper_;
};

}  // namespace coord::service

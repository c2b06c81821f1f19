// Locks and leaderships: acquiring, keeping an eye on, giving back.
//
// A lease holds a lock, or waits for it, at most once; so within a client each hold of one lock has
// a session of its own (Sessions::free_for), and first come, first served is the servers' business
// alone. A name stays taken in its session until a server has confirmed that the place is given
// back: a request whose outcome is unknown is followed up until the session ends. I/O thread,
// except what says otherwise.
#pragma once

#include <kj/async.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "client/lib/sessions.h"
#include "client/lib/writes.h"

namespace coord::internal {

class LiveHold final {
 public:
  LiveHold(std::shared_ptr<LiveSession> session, LockName lock, LockToken token)
      : session(std::move(session)), lock(std::move(lock)), token(token) {}

  const std::shared_ptr<LiveSession> session;
  const LockName lock;
  const LockToken token;

  // Any thread.
  bool held(Instant now) const {
    return !gone.load(std::memory_order_acquire) && session->alive(now);
  }
  std::atomic<bool> gone{false};  // released, or lost
  std::stop_source stop;

  void lose() {
    if (!gone.exchange(true)) stop.request_stop();
  }
};

// The caller's wish to wait no longer.
class StopSignal final {
 public:
  void give() {
    given_ = true;
    if (waiter_.get() != nullptr) waiter_->fulfill();
  }
  bool given() const { return given_; }
  // For one at a time: what was returned before is not to be waited for any more. Made only now,
  // because most locks are had without waiting.
  kj::Promise<void> when_given() {
    auto paf = kj::newPromiseAndFulfiller<void>();
    if (given_) paf.fulfiller->fulfill();
    waiter_ = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
  }

 private:
  bool given_ = false;
  kj::Own<kj::PromiseFulfiller<void>> waiter_;
};

class Holds final : private kj::TaskSet::ErrorHandler {
 public:
  Holds(Environment& environment, Calls& calls, Sessions& sessions, Writes& writes);

  struct Acquire {
    LockName lock;
    LockMode mode = LockMode::kExclusive;
    std::string value;
    std::optional<milliseconds> wait;
    std::shared_ptr<LiveSession> session;  // null: one of the client's
    milliseconds timeout{0};               // not zero
    std::shared_ptr<StopSignal> stop;      // not null
  };
  rpc::Task<Result<std::shared_ptr<LiveHold>>> acquire(Acquire wanted);
  rpc::Task<Status> release(std::shared_ptr<LiveHold> hold, milliseconds timeout);
  rpc::Task<Status> proclaim(std::shared_ptr<LiveHold> hold, std::string value);

 private:
  using Name = std::pair<bool, std::string>;

  rpc::Task<Result<LockStanding>> enter(Acquire wanted, std::shared_ptr<LiveSession> session);
  rpc::Task<Result<LockStanding>> await(LockName lock, std::shared_ptr<LiveSession> session,
                                        Instant until, std::shared_ptr<StopSignal> stop);
  rpc::Task<Result<LockStanding>> leave(LockName lock, std::shared_ptr<LiveSession> session);
  rpc::Task<void> leave_for_good(LockName lock, std::shared_ptr<LiveSession> session);
  rpc::Task<void> verify(std::shared_ptr<LiveHold> hold);
  // Its place in the lock is free again.
  static void forget(const LiveHold& hold);
  void taskFailed(kj::Exception&& exception) override;

  Environment& environment_;
  Calls& calls_;
  Sessions& sessions_;
  Writes& writes_;
  kj::TaskSet tasks_;
};

}  // namespace coord::internal

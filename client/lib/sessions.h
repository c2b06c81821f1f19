// The sessions of this client, and their renewal.
//
// A session is opened by granting a lease under a random id, sent once: if the answer is lost,
// another attempt takes another id, and the first, if it was granted, ends by itself. (An attempt
// repeated under one id could arrive when that session has lived and expired, and bring it back
// without its memory of what was answered: a write that was still on its way would apply twice.)
//
// From when the last acknowledged renewal was *sent*, less 1 % of the TTL for clocks that run at
// different rates, the session is believed in; after that it is lost, whatever a server may say
// later. Renewals go out every third of the TTL. I/O thread, except what says otherwise.
#pragma once

#include <kj/async.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "client/lib/calls.h"
#include "client/lib/environment.h"
#include "coord/session.h"
#include "coord/values.h"

namespace coord::internal {

class LiveHold;

// A session as the I/O thread knows it.
class LiveSession final {
 public:
  LiveSession(LeaseId id, milliseconds ttl, std::string name)
      : id(id), ttl(ttl), name(std::move(name)) {}

  const LeaseId id;
  const milliseconds ttl;
  const std::string name;

  // Any thread.
  bool alive(Instant now) const {
    return !ended.load(std::memory_order_acquire) &&
           now.time_since_epoch().count() < believed_until_ns.load(std::memory_order_acquire);
  }
  std::atomic<bool> ended{false};
  std::atomic<std::int64_t> believed_until_ns{0};
  std::stop_source stop;

  Instant believed_until() const {
    return Instant(Duration(believed_until_ns.load(std::memory_order_acquire)));
  }

  // Requests are numbered from 1; all below the first outstanding have been answered.
  Sequence take_sequence();
  void answered(Sequence sequence);
  Sequence first_outstanding() const { return first_outstanding_; }

  // Locks (and elections) in which it has a hold or a place in the queue: at most one each.
  std::set<std::pair<bool, std::string>> names;
  // Those of its holds that were not given back, to be told of its end.
  std::map<LockToken, std::weak_ptr<LiveHold>> holds;
  Instant last_used{};

 private:
  Sequence first_outstanding_{1};
  std::deque<bool> answered_;  // of first_outstanding_ and those after it
};

class Sessions final : private kj::TaskSet::ErrorHandler {
 public:
  struct Options {
    milliseconds ttl;
    std::string name;
  };
  // `changed`: writes that wait for the client's own session may go (or fail).
  Sessions(Environment& environment, Calls& calls, Options options, std::function<void()> changed);
  ~Sessions();

  // The client's own. Null: it is being opened, and changed() will be called.
  std::shared_ptr<LiveSession> own();
  // Why it cannot be opened, once; writes that wait for it fail with that.
  std::optional<Error> take_own_error() { return std::exchange(own_error_, std::nullopt); }
  rpc::Task<Result<std::shared_ptr<LiveSession>>> wait_for_own(Instant deadline);
  // One that has no place in that lock's queue: the own one, or a further one.
  rpc::Task<Result<std::shared_ptr<LiveSession>>> free_for(std::pair<bool, std::string> name,
                                                           Instant deadline);
  // The same if one is open already; null otherwise.
  std::shared_ptr<LiveSession> free_now(const std::pair<bool, std::string>& name);

  rpc::Task<Result<std::shared_ptr<LiveSession>>> open(SessionOptions options, Instant deadline);
  rpc::Task<Status> close(std::shared_ptr<LiveSession> session, Instant deadline);
  // It is over: by the clock, or a server said so.
  enum class Loss : std::uint8_t { kByClock, kByServer };
  void lose(LiveSession& session, Loss loss);
  // Called after each renewal of a session.
  void on_renewed(std::function<void(std::shared_ptr<LiveSession>)> renewed) {
    on_renewed_ = std::move(renewed);
  }
  // Why the client's own session is not open yet, if something is wrong.
  const std::optional<Error>& trouble() const { return trouble_; }
  // Revokes all that are open; when the client closes.
  rpc::Task<void> close_all(Instant deadline);

 private:
  SessionOptions own_options() const { return {.ttl = options_.ttl, .name = options_.name}; }
  rpc::Task<void> open_own();
  rpc::Task<void> renew(std::shared_ptr<LiveSession> session);
  rpc::Task<void> expire(std::shared_ptr<LiveSession> session);
  rpc::Task<Status> revoke(std::vector<LeaseId> leases, Instant deadline);
  void begin(std::shared_ptr<LiveSession> session, Instant sent);
  void give_up(LeaseId id, milliseconds ttl);
  void extend(LiveSession& session, Instant sent);
  void end(LiveSession& session);
  void taskFailed(kj::Exception&& exception) override;

  Environment& environment_;
  Calls& calls_;
  Options options_;
  std::function<void()> changed_;
  std::shared_ptr<LiveSession> own_;
  bool opening_ = false;
  std::optional<Error> own_error_;
  std::optional<Error> trouble_;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiters_;
  std::function<void(std::shared_ptr<LiveSession>)> on_renewed_;
  std::vector<std::shared_ptr<LiveSession>> open_;
  // Opened by the client itself, beside its own, for locks that one session cannot hold twice.
  std::vector<std::shared_ptr<LiveSession>> further_;
  kj::TaskSet tasks_;
};

}  // namespace coord::internal

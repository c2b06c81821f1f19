// A session: a lease that the library renews in the background for as long as it is held, on which
// locks, leaderships and keys depend.
//
// A Session is a handle; copies share the one session, which is closed (its lease revoked) when the
// last handle, lock and leadership of it is gone. An expired session stays expired: it is never
// silently replaced by another one. Any thread.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "coord/async.h"
#include "coord/values.h"

namespace coord {

namespace internal {
class SessionState;
struct Access;
}  // namespace internal

struct SessionOptions {
  milliseconds ttl{10'000};
  OptionValue<std::string> name = {};  // who holds it, for people; empty: the client's
  milliseconds timeout{0};
};

class Session {
 public:
  // No session: alive() is false.
  Session() = default;

  explicit operator bool() const { return state_ != nullptr; }
  // Put keys with `.lease = session.id()` and they go with the session.
  LeaseId id() const;
  milliseconds ttl() const;

  // False from the moment the lease may have expired on the server, by this machine's monotonic
  // clock: counted from when the last acknowledged renewal was sent, less 1 % of the TTL.
  bool alive() const;
  // Stop is requested no later than that moment (or, in a process that was stopped, when it
  // resumes).
  std::stop_token stop_token() const;

  // Revokes the lease now: locks are released and attached keys deleted.
  Status close();
  template <class Token>
  auto async_close(Token&& token);

 private:
  friend struct internal::Access;
  explicit Session(std::shared_ptr<internal::SessionState> state);
  std::shared_ptr<internal::SessionState> state_;
};

}  // namespace coord

// What is held: a lock, or the leadership of an election. Move-only objects that release when they
// are destroyed, and tell of their loss.
//
//   auto lock = client.lock("reports");
//   if (!lock) return lock.error();
//   client.put("report/latest", text, {.guard = lock->guard()});
//
// The hold can be lost at any time (the session expired, an operator broke the lock). held() and
// stop_token() say so no later than anyone else can get it, by this machine's monotonic clock; a
// write with guard() is refused by the servers even if this process was stopped in between.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "coord/session.h"

namespace coord {

namespace internal {
class HoldState;
}

struct LockOptions {
  LockMode mode = LockMode::kExclusive;
  // How long to wait for it: nothing: as long as it takes; 0: not at all (kLockBusy).
  std::optional<milliseconds> wait = {};
  // Whose end gives the lock back; none: the client's own session. With a session of the caller's,
  // one lock is held (or waited for) at most once: a second time is kLockBusy.
  OptionValue<Session> session = {};
  // For each exchange with a server, not for the wait.
  milliseconds timeout{0};
  // Ends the wait when it is requested (kCancelled, unless the lock was granted just then).
  OptionValue<std::stop_token> stop = {};
};

struct CampaignOptions {
  std::optional<milliseconds> wait = {};
  OptionValue<Session> session = {};
  milliseconds timeout{0};
  OptionValue<std::stop_token> stop = {};
};

class [[nodiscard]] Lock {
 public:
  // Nothing held.
  Lock() = default;
  Lock(Lock&&) noexcept = default;
  Lock& operator=(Lock&& other) noexcept;
  // Releases, without waiting for the answer.
  ~Lock();

  const std::string& name() const;
  // The fencing token: greater than that of every earlier holder.
  LockToken token() const;
  // For writes that must not apply once the lock is someone else's.
  Guard guard() const;
  Session session() const;

  bool held() const;
  std::stop_token stop_token() const;

  // Gives the lock back and says whether it was still held (kLockNotHeld, kSessionExpired).
  Status release();
  template <class Token>
  auto async_release(Token&& token);

 private:
  friend struct internal::Access;
  explicit Lock(std::shared_ptr<internal::HoldState> state);
  std::shared_ptr<internal::HoldState> state_;
};

// Being the leader of an election: an exclusive lock with a published value.
class [[nodiscard]] Leadership {
 public:
  Leadership() = default;
  Leadership(Leadership&&) noexcept = default;
  Leadership& operator=(Leadership&& other) noexcept;
  // Resigns, without waiting for the answer.
  ~Leadership();

  const std::string& election() const;
  LockToken token() const;
  Guard guard() const;
  Session session() const;

  bool held() const;
  std::stop_token stop_token() const;

  // Publishes another value.
  Status proclaim(std::string value);
  template <class Token>
  auto async_proclaim(std::string value, Token&& token);

  Status resign();
  template <class Token>
  auto async_resign(Token&& token);

 private:
  friend struct internal::Access;
  explicit Leadership(std::shared_ptr<internal::HoldState> state);
  std::shared_ptr<internal::HoldState> state_;
};

}  // namespace coord

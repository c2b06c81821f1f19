#include "client/lib/holds.h"

#include <algorithm>

#include "client/lib/convert.h"
#include "client/lib/typed_request.h"

namespace coord::internal {
namespace {

// One long poll for a place in a queue; short enough that a member which has stopped is noticed.
constexpr milliseconds kPoll{2'000};
constexpr Duration kPollPatience = milliseconds(2'500);
// A hold that stands is confirmed at once.
constexpr milliseconds kVerifyWait{400};
constexpr Duration kVerifyPatience = milliseconds(500);

struct Standing {
  LockStanding standing;
  Revision revision;  // that the answering member had applied
};

kj::Promise<Result<Standing>> ask_standing(Connection& connection, const LockName& lock,
                                           LeaseId lease, milliseconds wait) {
  auto request = connection.lock().awaitRequest();
  encode(request.initLock(), lock);
  request.setLease(lease.value());
  request.setDeadlineMs(static_cast<std::uint32_t>(std::max<std::int64_t>(1, wait.count())));
  return request.send().then([](auto&& answer) -> Result<Standing> {
    if (answer.hasFailure()) return to_error(answer.getFailure());
    return Standing{to_standing(answer.getResult()), Revision(answer.getHeader().getRevision())};
  });
}

Error expired() {
  return make_error(ErrorCode::kSessionExpired, "the session has ended");
}

}  // namespace

Holds::Holds(Environment& environment, Calls& calls, Sessions& sessions, Writes& writes)
    : environment_(environment),
      calls_(calls),
      sessions_(sessions),
      writes_(writes),
      tasks_(*this) {
  // A lock can be broken while its session lives: looked after as often as the session is renewed.
  sessions_.on_renewed([this](std::shared_ptr<LiveSession> session) {
    std::erase_if(session->holds, [](const auto& each) { return each.second.expired(); });
    for (const auto& [token, weak] : session->holds) {
      auto hold = weak.lock();
      if (hold != nullptr && !hold->gone.load()) tasks_.add(verify(std::move(hold)));
    }
  });
}

rpc::Task<Result<std::shared_ptr<LiveHold>>> Holds::acquire(Acquire wanted) {
  const Name name(wanted.lock.election, wanted.lock.name);
  std::shared_ptr<LiveSession> session = wanted.session;
  if (session == nullptr) {
    session = sessions_.free_now(name);
    if (session == nullptr) {
      auto found = co_await sessions_.free_for(name, environment_.clock() + wanted.timeout);
      if (!found.ok()) co_return found.error();
      session = std::move(found).value();
    }
  } else if (!session->alive(environment_.clock())) {
    co_return expired();
  } else if (!session->names.insert(name).second) {
    co_return make_error(ErrorCode::kLockBusy, "this session holds {} or waits for it already",
                         wanted.lock.name);
  }

  auto standing = co_await enter(wanted, session);
  if (standing.ok()) {
    if (const auto* granted = std::get_if<Granted>(&*standing)) {
      auto hold = std::make_shared<LiveHold>(session, wanted.lock, granted->token);
      if (!session->alive(environment_.clock())) co_return expired();
      session->holds.emplace(hold->token, hold);
      co_return hold;
    }
    session->names.erase(name);
    if (wanted.stop->given()) {
      co_return make_error(ErrorCode::kCancelled, "given up before {} was free", wanted.lock.name);
    }
    co_return make_error(ErrorCode::kLockBusy, "{} is held by somebody else", wanted.lock.name);
  }
  if (is_verdict(standing.error().code)) {
    session->names.erase(name);
  } else if (session->alive(environment_.clock())) {
    tasks_.add(leave_for_good(wanted.lock, session));
  }
  co_return standing.error();
}

// Granted, or not queued (any more), or an error after which the place may or may not be taken.
rpc::Task<Result<LockStanding>> Holds::enter(Acquire wanted, std::shared_ptr<LiveSession> session) {
  const bool waits = !wanted.wait.has_value() || wanted.wait->count() > 0;
  const Instant until =
      wanted.wait.has_value() ? environment_.clock() + *wanted.wait : Instant::max();
  while (true) {
    AcquireWrite write{.lock = wanted.lock,
                       .lease = session->id,
                       .mode = wanted.mode,
                       .wait = waits,
                       .value = wanted.value};
    auto standing = co_await writes_.write(std::move(write), session, wanted.timeout);
    if (!standing.ok() || !std::holds_alternative<Queued>(*standing)) co_return standing;
    standing = co_await await(wanted.lock, session, until, wanted.stop);
    if (!standing.ok() || std::holds_alternative<Granted>(*standing)) co_return standing;
    if (std::holds_alternative<Queued>(*standing)) co_return co_await leave(wanted.lock, session);
    // Not in the queue as far as that member knows. It may lag, or somebody broke the lock: to ask
    // for the place again is right in both cases, and harmless if it is still ours.
    if (!session->alive(environment_.clock())) co_return expired();
  }
}

rpc::Task<Result<LockStanding>> Holds::await(LockName lock, std::shared_ptr<LiveSession> session,
                                             Instant until, std::shared_ptr<StopSignal> stop) {
  while (true) {
    const Instant now = environment_.clock();
    if (!session->alive(now)) co_return expired();
    if (now >= until || stop->given()) co_return LockStanding(Queued());
    const milliseconds poll =
        until - now < kPoll ? std::chrono::ceil<milliseconds>(until - now) : kPoll;
    const auto attempt = [lock, lease = session->id, poll](Connection& connection) {
      return ask_standing(connection, lock, lease, poll);
    };
    auto poll_once = calls_.repeat<Standing>(
        {.deadline = now + kPollPatience * 2, .patience = kPollPatience}, attempt);
    auto given_up = stop->when_given().then(
        [] { return Result<Standing>(Standing{.standing = Queued(), .revision = {}}); });
    auto answer = co_await std::move(poll_once).promise().exclusiveJoin(kj::mv(given_up));
    if (!answer.ok()) {
      if (is_transient(answer.error().code)) continue;
      co_return answer.error();
    }
    if (!std::holds_alternative<Queued>(answer->standing)) co_return answer->standing;
  }
}

rpc::Task<Result<LockStanding>> Holds::leave(LockName lock, std::shared_ptr<LiveSession> session) {
  // If it was granted meanwhile, it is ours.
  CancelWrite write{.lock = lock, .lease = session->id};
  co_return co_await writes_.write(std::move(write), session, milliseconds(0));
}

rpc::Task<void> Holds::leave_for_good(LockName lock, std::shared_ptr<LiveSession> session) {
  while (session->alive(environment_.clock())) {
    ReleaseWrite write{.lock = lock, .lease = session->id, .token = {}};
    auto released = co_await writes_.write(std::move(write), session, milliseconds(0));
    if (!released.ok() && !is_verdict(released.error().code)) continue;
    auto left = co_await leave(lock, session);
    if (!left.ok() && !is_verdict(left.error().code)) continue;
    // Granted between the two: once more.
    if (left.ok() && std::holds_alternative<Granted>(*left)) continue;
    break;
  }
  session->names.erase(Name(lock.election, lock.name));
}

rpc::Task<Status> Holds::release(std::shared_ptr<LiveHold> hold, milliseconds timeout) {
  if (hold->gone.exchange(true)) {
    co_return make_error(ErrorCode::kLockNotHeld, "{} is not held any more", hold->lock.name);
  }
  auto session = hold->session;
  if (!session->alive(environment_.clock())) co_return expired();
  ReleaseWrite write{.lock = hold->lock, .lease = session->id, .token = hold->token};
  Status status = co_await writes_.write(std::move(write), session, timeout);
  if (status.ok() || is_verdict(status.error().code)) {
    forget(*hold);
  } else if (session->alive(environment_.clock())) {
    tasks_.add(leave_for_good(hold->lock, session));
  }
  co_return status;
}

rpc::Task<Status> Holds::proclaim(std::shared_ptr<LiveHold> hold, std::string value) {
  if (!hold->held(environment_.clock())) {
    co_return make_error(ErrorCode::kLockNotHeld, "{} is not held any more", hold->lock.name);
  }
  ProclaimWrite write{.election = hold->lock.name,
                      .lease = hold->session->id,
                      .token = hold->token,
                      .value = std::move(value)};
  Status status = co_await writes_.write(std::move(write), hold->session, milliseconds(0));
  if (!status.ok() && (status.error().code == ErrorCode::kStaleToken ||
                       status.error().code == ErrorCode::kLockNotHeld)) {
    hold->lose();
  }
  co_return status;
}

rpc::Task<void> Holds::verify(std::shared_ptr<LiveHold> hold) {
  const auto attempt = [hold](Connection& connection) {
    return ask_standing(connection, hold->lock, hold->session->id, kVerifyWait);
  };
  auto answer = co_await calls_.repeat<Standing>(
      {.deadline = environment_.clock() + kVerifyPatience, .patience = kVerifyPatience}, attempt);
  // A member that has not applied the grant (the token is its revision) knows nothing of it.
  if (!answer.ok() || answer->revision.value() < hold->token.value()) co_return;
  const auto* granted = std::get_if<Granted>(&answer->standing);
  if (granted == nullptr || granted->token != hold->token) {
    if (!hold->gone.load()) {
      hold->lose();
      forget(*hold);
    }
  }
}

void Holds::forget(const LiveHold& hold) {
  hold.session->names.erase(Name(hold.lock.election, hold.lock.name));
  hold.session->holds.erase(hold.token);
}

void Holds::taskFailed(kj::Exception&& exception) {
  // A waiter whose directory was closed under it: the client is closing.
  (void)exception;
}

}  // namespace coord::internal

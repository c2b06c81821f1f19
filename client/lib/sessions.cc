#include "client/lib/sessions.h"

#include <algorithm>

#include "client/lib/convert.h"
#include "client/lib/holds.h"

namespace coord::internal {
namespace {

// One attempt; a leader that is alive answers sooner, or refuses.
constexpr Duration kSessionPatience = seconds(2);
constexpr Duration kRenewPatienceMin = milliseconds(250);
constexpr Duration kRevokePatience = seconds(1);
// How long the client's own session is tried for at a stretch; who waits has a deadline of his own.
constexpr Duration kOpenOwnFor = seconds(10);
// Further sessions at once, for locks that are wanted many times by one client.
constexpr std::size_t kFurtherMax = 4096;

// What is left of a TTL when both clocks may run at different rates.
Duration less_margin(milliseconds ttl) {
  return Duration(ttl) * 99 / 100;
}

struct Opened {
  LeaseId id;
  milliseconds ttl{0};
  Instant sent;
};

// The only result of a call of one write, or why there is none.
Result<Opened> opened(schema::Kv::WriteResults::Reader answer, Instant sent) {
  if (answer.hasFailure()) return to_error(answer.getFailure());
  const auto results = answer.getResults();
  if (results.size() != 1)
    return make_error(ErrorCode::kInternal, "one write, {} results", results.size());
  const auto result = results[0];
  if (result.isFailure()) return to_error(result.getFailure());
  if (!result.isLeaseGrant()) return make_error(ErrorCode::kInternal, "not a lease");
  const auto grant = result.getLeaseGrant();
  return Opened{LeaseId(grant.getId()), milliseconds(grant.getTtlMs()), sent};
}

}  // namespace

Sequence LiveSession::take_sequence() {
  answered_.push_back(false);
  return first_outstanding_ + (answered_.size() - 1);
}

void LiveSession::answered(Sequence sequence) {
  answered_[sequence - first_outstanding_] = true;
  while (!answered_.empty() && answered_.front()) {
    answered_.pop_front();
    ++first_outstanding_;
  }
}

Sessions::Sessions(Environment& environment, Calls& calls, Options options,
                   std::function<void()> changed)
    : environment_(environment),
      calls_(calls),
      options_(std::move(options)),
      changed_(std::move(changed)),
      tasks_(*this) {}

Sessions::~Sessions() {
  // Who still has one must not believe in it: nobody renews it any more.
  for (auto& session : std::exchange(open_, {})) {
    session->ended.store(true, std::memory_order_release);
    for (auto& [token, weak] : session->holds) {
      if (auto hold = weak.lock()) hold->lose();
    }
    session->stop.request_stop();
  }
}

// ------------------------------------------------------------------------------------------------
// The client's own, and those beside it

std::shared_ptr<LiveSession> Sessions::own() {
  if (own_ != nullptr && !own_->alive(environment_.clock())) {
    // Taken away here: one that had ended before it became our own is not lost once more.
    auto expired = std::exchange(own_, nullptr);
    lose(*expired, Loss::kByClock);
  }
  if (own_ == nullptr && !opening_) {
    opening_ = true;
    tasks_.add(open_own());
  }
  if (own_ != nullptr) own_->last_used = environment_.clock();
  return own_;
}

rpc::Task<void> Sessions::open_own() {
  auto session = co_await open(own_options(), environment_.clock() + kOpenOwnFor);
  opening_ = false;
  if (session.ok()) {
    own_ = std::move(session).value();
  } else if (!is_transient(session.error().code)) {
    own_error_ = session.error();
  }
  for (auto& waiter : std::exchange(waiters_, {})) waiter->fulfill();
  changed_();
}

rpc::Task<Result<std::shared_ptr<LiveSession>>> Sessions::wait_for_own(Instant deadline) {
  while (true) {
    auto session = own();
    if (session != nullptr) co_return session;
    if (own_error_.has_value()) co_return *own_error_;
    auto paf = kj::newPromiseAndFulfiller<void>();
    waiters_.push_back(kj::mv(paf.fulfiller));
    const Duration left = std::max(Duration(0), deadline - environment_.clock());
    bool late = false;
    try {
      co_await environment_.timer.timeoutAfter(to_kj(left), kj::mv(paf.promise));
    } catch (const kj::Exception&) {
      late = true;
    }
    if (late) {
      co_return trouble_.value_or(
          make_error(ErrorCode::kUnreachable, "no session could be opened in time"));
    }
  }
}

std::shared_ptr<LiveSession> Sessions::free_now(const std::pair<bool, std::string>& name) {
  auto session = own();
  if (session == nullptr || session->names.insert(name).second) return session;
  const Instant now = environment_.clock();
  for (auto& further : further_) {
    if (!further->alive(now) || !further->names.insert(name).second) continue;
    further->last_used = now;
    return further;
  }
  return nullptr;
}

rpc::Task<Result<std::shared_ptr<LiveSession>>> Sessions::free_for(
    std::pair<bool, std::string> name, Instant deadline) {
  auto own = co_await wait_for_own(deadline);
  if (!own.ok()) co_return own;
  if (auto session = free_now(name)) co_return session;
  if (further_.size() >= kFurtherMax) {
    co_return make_error(ErrorCode::kOverloaded, "the lock {} is wanted {} times by this client",
                         name.second, kFurtherMax);
  }
  auto session = co_await open(own_options(), deadline);
  if (!session.ok()) co_return session;
  session.value()->names.insert(name);
  further_.push_back(session.value());
  co_return session;
}

// ------------------------------------------------------------------------------------------------
// Opening and closing

rpc::Task<Result<std::shared_ptr<LiveSession>>> Sessions::open(SessionOptions options,
                                                               Instant deadline) {
  if (options.name->empty()) options.name = options_.name;
  const auto attempt = [this, options](Connection& connection) -> kj::Promise<Result<Opened>> {
    auto request = connection.kv().writeRequest();
    auto grant = request.initWrites(1)[0].initLeaseGrant();
    grant.setId(random_lease_id(environment_.random()).value());
    grant.setNonce(environment_.random());
    grant.setTtlMs(static_cast<std::uint64_t>(std::max<std::int64_t>(0, options.ttl.count())));
    grant.setSession(true);
    grant.setName(to_text(options.name.get()));
    grant.setHost(to_text(environment_.host));
    grant.setPid(environment_.pid);
    const Instant sent = environment_.clock();
    return calls_.send(connection, kj::mv(request), [this, sent](auto&& answer) {
      auto result = opened(answer, sent);
      if (result.ok() && sent + less_margin(result->ttl) <= environment_.clock()) {
        give_up(result->id, result->ttl);
        result = make_error(ErrorCode::kDeadlineExceeded,
                            "the session was granted too late to be believed in: its TTL of {} ms "
                            "counts from when it was asked for",
                            result->ttl.count());
      }
      trouble_ = result.ok() ? std::nullopt : std::optional<Error>(result.error());
      return result;
    });
  };
  auto result =
      co_await calls_.repeat<Opened>({.deadline = deadline, .patience = kSessionPatience}, attempt);
  if (!result.ok()) co_return result.error();
  auto session = std::make_shared<LiveSession>(result->id, result->ttl, options.name.get());
  begin(session, result->sent);
  co_return session;
}

void Sessions::begin(std::shared_ptr<LiveSession> session, Instant sent) {
  session->believed_until_ns.store((sent + less_margin(session->ttl)).time_since_epoch().count(),
                                   std::memory_order_release);
  session->last_used = sent;
  open_.push_back(session);
  tasks_.add(renew(session));
  tasks_.add(expire(session));
}

rpc::Task<Status> Sessions::close(std::shared_ptr<LiveSession> session, Instant deadline) {
  if (session->ended.load()) {
    co_return make_error(ErrorCode::kSessionExpired, "the session has ended already");
  }
  // Not believed in from before the first server may know.
  end(*session);
  std::vector<LeaseId> leases = {session->id};
  co_return co_await revoke(std::move(leases), deadline);
}

rpc::Task<void> Sessions::close_all(Instant deadline) {
  std::vector<LeaseId> leases;
  for (auto& session : std::vector(open_)) {
    leases.push_back(session->id);
    end(*session);
  }
  if (leases.empty()) co_return;
  (void)co_await revoke(std::move(leases), deadline);
}

rpc::Task<Status> Sessions::revoke(std::vector<LeaseId> leases, Instant deadline) {
  struct Done {};
  const auto attempt = [this, leases](Connection& connection) -> kj::Promise<Result<Done>> {
    auto request = connection.kv().writeRequest();
    auto writes = request.initWrites(static_cast<unsigned>(leases.size()));
    for (unsigned i = 0; i < writes.size(); ++i) writes[i].setLeaseRevoke(leases[i].value());
    return calls_.send(connection, kj::mv(request), [](auto&& answer) -> Result<Done> {
      if (answer.hasFailure()) return to_error(answer.getFailure());
      for (const auto result : answer.getResults()) {
        if (!result.isFailure()) continue;
        Error error = to_error(result.getFailure());
        // Gone is gone: an earlier attempt of this, or its end.
        if (error.code != ErrorCode::kLeaseNotFound) return error;
      }
      return Done();
    });
  };
  auto result =
      co_await calls_.repeat<Done>({.deadline = deadline, .patience = kRevokePatience}, attempt);
  if (result.ok()) co_return Status();
  Error error = result.error();
  error.outcome = Outcome::kUnknown;
  co_return error;
}

// ------------------------------------------------------------------------------------------------
// Renewal and loss

rpc::Task<void> Sessions::renew(std::shared_ptr<LiveSession> session) {
  const Duration interval = Duration(session->ttl) / 3;
  // Renewals are gathered by the server for up to a tenth of the TTL.
  const Duration patience = std::max(interval / 2, kRenewPatienceMin);
  while (true) {
    co_await environment_.timer.afterDelay(to_kj(interval));
    if (session->ended.load()) co_return;
    const bool idle = std::find(further_.begin(), further_.end(), session) != further_.end() &&
                      session->names.empty() &&
                      environment_.clock() - session->last_used > Duration(session->ttl);
    if (idle) {
      (void)co_await close(session, environment_.clock() + kRevokePatience);
      co_return;
    }
    const auto attempt = [this, id = session->id](Connection& connection) {
      auto request = connection.lease().renewRequest();
      request.initIds(1).set(0, id.value());
      const Instant sent = environment_.clock();
      return calls_.send(connection, kj::mv(request), [sent](auto&& answer) -> Result<Instant> {
        if (answer.hasFailure()) return to_error(answer.getFailure());
        const auto results = answer.getResults();
        if (results.size() != 1)
          return make_error(ErrorCode::kInternal, "one renewal, not one result");
        if (results[0].isFailure()) return to_error(results[0].getFailure());
        return sent;
      });
    };
    auto sent = co_await calls_.repeat<Instant>(
        {.deadline = session->believed_until(), .patience = patience}, attempt);
    if (session->ended.load()) co_return;
    if (sent.ok()) {
      extend(*session, *sent);
      if (on_renewed_ && !session->ended.load()) on_renewed_(session);
    } else if (sent.error().code == ErrorCode::kLeaseNotFound ||
               sent.error().code == ErrorCode::kSessionExpired) {
      lose(*session, Loss::kByServer);
    }
  }
}

void Sessions::extend(LiveSession& session, Instant sent) {
  // What was lost stays lost, also if nobody has looked yet.
  if (!session.alive(environment_.clock())) return lose(session, Loss::kByClock);
  const auto until = (sent + less_margin(session.ttl)).time_since_epoch().count();
  if (until > session.believed_until_ns.load()) {
    session.believed_until_ns.store(until, std::memory_order_release);
  }
}

rpc::Task<void> Sessions::expire(std::shared_ptr<LiveSession> session) {
  while (!session->ended.load()) {
    const Duration left = session->believed_until() - environment_.clock();
    if (left <= Duration(0)) {
      lose(*session, Loss::kByClock);
      co_return;
    }
    co_await environment_.timer.afterDelay(to_kj(left));
  }
}

void Sessions::lose(LiveSession& session, Loss loss) {
  if (session.ended.load()) return;
  end(session);
  if (loss == Loss::kByServer) return;
  give_up(session.id, session.ttl);
}

// The servers may let it live a little longer; who waits for its locks need not.
void Sessions::give_up(LeaseId id, milliseconds ttl) {
  std::vector<LeaseId> leases = {id};
  tasks_.add(
      revoke(std::move(leases), environment_.clock() + Duration(ttl)).promise().ignoreResult());
}

void Sessions::end(LiveSession& session) {
  session.ended.store(true, std::memory_order_release);
  const auto is_it = [&](const auto& other) { return other.get() == &session; };
  std::shared_ptr<LiveSession> keep;
  if (own_.get() == &session) keep = std::exchange(own_, nullptr);
  std::erase_if(further_, is_it);
  for (auto& other : open_) {
    if (is_it(other)) keep = other;
  }
  std::erase_if(open_, is_it);
  for (auto& [token, weak] : std::exchange(session.holds, {})) {
    if (auto hold = weak.lock()) hold->lose();
  }
  session.stop.request_stop();
}

void Sessions::taskFailed(kj::Exception&& exception) {
  // A waiter whose directory was closed under it: the client is closing.
  (void)exception;
}

}  // namespace coord::internal

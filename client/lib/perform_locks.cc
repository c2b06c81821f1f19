#include <algorithm>

#include "client/lib/convert.h"
#include "client/lib/handles.h"
#include "client/lib/perform.h"

namespace coord::internal {
namespace {

Error no_session() {
  return make_error(ErrorCode::kSessionExpired, "the session is of another client, or none");
}

// The session of the caller's choice: null if there is none, an error if it is of no use here.
Result<std::shared_ptr<LiveSession>> chosen(const Core& core, const Session& session) {
  const auto& state = Access::state(session);
  if (state == nullptr) return std::shared_ptr<LiveSession>();
  if (state->engine != core.engine()) return no_session();
  return state->live;
}

Session handle_of(const Core& core, const Session& chosen, std::shared_ptr<LiveSession> live) {
  if (chosen) return chosen;
  return Access::session(std::make_shared<SessionState>(core.engine(), std::move(live)));
}

rpc::Task<Result<std::shared_ptr<HoldState>>> acquire(Core& core, Holds::Acquire wanted,
                                                      Session session, std::stop_token stop) {
  auto live = chosen(core, session);
  if (!live.ok()) co_return live.error();
  wanted.session = std::move(live).value();
  wanted.stop = std::make_shared<StopSignal>();
  // From whatever thread requests it, to this one.
  const auto on_stop = [engine = core.engine(), signal = std::weak_ptr(wanted.stop)] {
    engine->submit(errand([signal](Core&) {
      if (auto live_signal = signal.lock()) live_signal->give();
    }));
  };
  const std::stop_callback<decltype(on_stop)> callback(std::move(stop), on_stop);
  auto hold = co_await core.holds().acquire(std::move(wanted));
  if (!hold.ok()) co_return hold.error();
  auto held_by = handle_of(core, session, hold.value()->session);
  co_return std::make_shared<HoldState>(core.engine(), std::move(hold).value(), std::move(held_by));
}

rpc::Task<Result<LockInfo>> show(Core& core, LockName lock, Instant deadline) {
  const auto attempt = [&core, lock](Connection& connection) {
    auto request = connection.lock().showRequest();
    encode(request.initLock(), lock);
    return core.calls().send(connection, kj::mv(request), [](auto&& answer) -> Result<LockInfo> {
      if (answer.hasFailure()) return to_error(answer.getFailure());
      return to_lock_info(answer.getInfo());
    });
  };
  co_return co_await core.calls().repeat<LockInfo>({.deadline = deadline}, attempt);
}

rpc::Task<Result<LeaderInfo>> leader(Core& core, std::string election, Instant deadline) {
  LockName lock{.name = election, .election = true};
  auto info = co_await show(core, std::move(lock), deadline);
  if (info.ok() && !info->holders.empty()) {
    const LockHolder& holder = info->holders.front();
    co_return LeaderInfo{.election = election,
                         .value = info->value,
                         .token = holder.token,
                         .session = holder.session,
                         .name = holder.name,
                         .host = holder.host,
                         .pid = holder.pid};
  }
  if (!info.ok() && info.error().code != ErrorCode::kLockNotFound) co_return info.error();
  co_return make_error(ErrorCode::kNoLeaderElected, "nobody leads {}", election);
}

// Who leads is asked for so long in any case: somebody who only polls would never be told.
constexpr Duration kAskLeaderMin = milliseconds(50);

Instant deadline_within(Core& core, std::optional<Instant> until) {
  const Instant own = core.deadline(milliseconds(0));
  if (!until.has_value()) return own;
  return std::min(own, std::max(*until, core.environment().clock() + kAskLeaderMin));
}

std::optional<milliseconds> left(Core& core, std::optional<Instant> until) {
  if (!until.has_value()) return std::nullopt;
  return std::chrono::ceil<milliseconds>(
      std::max(Duration(0), *until - core.environment().clock()));
}

}  // namespace

rpc::Task<Result<Session>> perform(Core& core, op::OpenSession op) {
  const Instant deadline = core.deadline(op.options.timeout);
  auto live = co_await core.sessions().open(std::move(op.options), deadline);
  if (!live.ok()) co_return live.error();
  auto state = std::make_shared<SessionState>(core.engine(), std::move(live).value());
  state->closes = true;
  co_return Access::session(std::move(state));
}

rpc::Task<Result<Session>> perform(Core& core, op::DefaultSession op) {
  auto live = co_await core.sessions().wait_for_own(core.deadline(op.timeout));
  if (!live.ok()) co_return live.error();
  co_return Access::session(std::make_shared<SessionState>(core.engine(), std::move(live).value()));
}

rpc::Task<Status> perform(Core& core, op::CloseSession op) {
  if (op.session == nullptr) co_return no_session();
  co_return co_await core.sessions().close(op.session->live, core.deadline(milliseconds(0)));
}

rpc::Task<Result<Lock>> perform(Core& core, op::AcquireLock op) {
  Holds::Acquire wanted;
  wanted.lock = {.name = std::move(op.name), .election = false};
  wanted.mode = op.options.mode;
  wanted.wait = op.options.wait;
  wanted.timeout = core.timeout_or_default(op.options.timeout);
  auto hold =
      co_await acquire(core, std::move(wanted), op.options.session.get(), op.options.stop.get());
  if (!hold.ok()) co_return hold.error();
  co_return Access::lock(std::move(hold).value());
}

rpc::Task<Result<Leadership>> perform(Core& core, op::Campaign op) {
  Holds::Acquire wanted;
  wanted.lock = {.name = std::move(op.election), .election = true};
  wanted.value = std::move(op.value);
  wanted.wait = op.options.wait;
  wanted.timeout = core.timeout_or_default(op.options.timeout);
  auto hold =
      co_await acquire(core, std::move(wanted), op.options.session.get(), op.options.stop.get());
  if (!hold.ok()) co_return hold.error();
  co_return Access::leadership(std::move(hold).value());
}

rpc::Task<Status> perform(Core& core, op::Release op) {
  co_return co_await core.holds().release(op.hold->live, core.options().timeout);
}

rpc::Task<Status> perform(Core& core, op::Proclaim op) {
  co_return co_await core.holds().proclaim(op.hold->live, std::move(op.value));
}

rpc::Task<Result<LockInfo>> perform(Core& core, op::ShowLock op) {
  const Instant deadline = core.deadline(op.timeout);
  co_return co_await show(core, std::move(op.lock), deadline);
}

rpc::Task<Result<std::vector<LockInfo>>> perform(Core& core, op::ListLocks op) {
  struct Page {
    std::vector<LockInfo> locks;
    bool more = false;
    std::string cursor;
  };
  const Instant deadline = core.deadline(op.timeout);
  std::vector<LockInfo> all;
  std::string cursor;
  for (std::size_t pages = 0; pages < kPagesMax; ++pages) {
    const auto attempt = [&core, elections = op.elections, prefix = op.prefix,
                          cursor](Connection& connection) {
      auto request = connection.lock().listRequest();
      request.setElections(elections);
      request.setPrefix(to_data(prefix));
      if (!cursor.empty()) request.setCursor(to_data(cursor));
      return core.calls().send(connection, kj::mv(request), [](auto&& answer) -> Result<Page> {
        if (answer.hasFailure()) return to_error(answer.getFailure());
        Page page;
        for (const auto lock : answer.getLocks()) page.locks.push_back(to_lock_info(lock));
        page.more = answer.getMore();
        page.cursor = to_string(answer.getCursor());
        return page;
      });
    };
    auto page = co_await core.calls().repeat<Page>({.deadline = deadline}, attempt);
    if (!page.ok()) co_return page.error();
    std::move(page->locks.begin(), page->locks.end(), std::back_inserter(all));
    if (!page->more) break;
    cursor = std::move(page->cursor);
  }
  co_return all;
}

rpc::Task<Result<LeaderInfo>> perform(Core& core, op::Leader op) {
  const Instant deadline = core.deadline(op.timeout);
  co_return co_await leader(core, std::move(op.election), deadline);
}

rpc::Task<Result<std::optional<LeaderInfo>>> perform(Core& core, op::ObserverNext op) {
  const std::shared_ptr<LiveObserver> live = op.observer->live;
  // While this waits, the handle alone keeps the watch.
  op.observer.reset();
  LiveObserver& observer = *live;
  const std::optional<Instant> until = op.timeout.has_value()
                                           ? std::optional(core.environment().clock() + *op.timeout)
                                           : std::nullopt;
  while (true) {
    // The watch says that something has changed; who leads now, the servers say.
    if (!observer.stale) {
      auto update = co_await core.next(observer.watch, left(core, until));
      if (!update.ok()) co_return update.error();
      observer.stale =
          update->kind == WatchUpdate::Kind::kListEnd || update->kind == WatchUpdate::Kind::kEvents;
      continue;
    }
    auto now = co_await leader(core, observer.election, deadline_within(core, until));
    std::optional<LeaderInfo> leads;
    if (now.ok()) {
      leads = std::move(now).value();
    } else if (now.error().code != ErrorCode::kNoLeaderElected) {
      co_return now.error();
    }
    observer.stale = false;
    const bool same =
        observer.told.has_value() && observer.told->has_value() == leads.has_value() &&
        (!leads.has_value() ||
         ((*observer.told)->token == leads->token && (*observer.told)->value == leads->value));
    if (same) continue;
    observer.told = leads;
    co_return leads;
  }
}

}  // namespace coord::internal

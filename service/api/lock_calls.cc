#include "service/api/lock_calls.h"

#include <utility>
#include <vector>

#include "service/api/answers.h"
#include "service/api/decode.h"

namespace coord::service {

namespace {

// Locks on one page of a list; each may have many waiters.
constexpr std::size_t kLocksPerPage = 256;

Error not_there(const LockName& name) {
  if (name.election) {
    return make_error(ErrorCode::kNoLeaderElected, "nobody leads {} or wants to", name.name);
  }
  return make_error(ErrorCode::kLockNotFound, "nobody holds the lock {} or waits for it",
                    name.name);
}

}  // namespace

rpc::Task<void> serve_lock_await(Context& api, LockAwaitCall call) {
  call.allowCancellation();
  const auto params = call.getParams();
  const Instant deadline = api.deadline(params.getDeadlineMs());
  Status status = api.door.check_lock(params.getLock());
  if (status.ok() && params.getLease() == 0) {
    status = make_error(ErrorCode::kInvalidArgument, "a lock is waited for by a lease");
  }
  if (!status.ok()) co_return refuse(api, call, status.error());
  const LockName name = decode(params.getLock());
  const LeaseId lease(params.getLease());
  // Its acquiring was acknowledged by the leader; this member may not have applied it yet.
  auto gate = api.gate.pass(deadline);
  status = co_await std::move(gate);
  if (!status.ok()) co_return refuse(api, call, status.error());
  auto waiting = api.locks.wait(name, lease, deadline);
  const auto standing = co_await kj::mv(waiting);
  if (!standing) co_return refuse(api, call, standing.error());
  auto out = call.getResults();
  api.fill(out.initHeader());
  encode(*standing, out.initResult());
}

rpc::Task<void> serve_lock_show(Context& api, LockShowCall call) {
  call.allowCancellation();
  Status status = api.door.check_lock(call.getParams().getLock());
  if (!status.ok()) co_return refuse(api, call, status.error());
  const LockName name = decode(call.getParams().getLock());
  auto gate = api.gate.pass(api.deadline(0));
  status = co_await std::move(gate);
  if (!status.ok()) co_return refuse(api, call, status.error());
  const auto lock = api.deps.state.lock(name);
  if (!lock) co_return refuse(api, call, not_there(name));
  auto out = call.getResults();
  api.fill(out.initHeader());
  encode(*lock, api.deps.state, out.initInfo());
}

rpc::Task<void> serve_lock_list(Context& api, LockListCall call) {
  call.allowCancellation();
  auto gate = api.gate.pass(api.deadline(0));
  const Status status = co_await std::move(gate);
  if (!status.ok()) co_return refuse(api, call, status.error());
  const auto params = call.getParams();
  // One more than a page, to know whether there is another.
  auto locks = api.deps.state.locks(params.getElections(), view(params.getPrefix()),
                                    view(params.getCursor()), kLocksPerPage + 1);
  const bool more = locks.size() > kLocksPerPage;
  if (more) locks.pop_back();
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setMore(more);
  if (more) out.setCursor(to_data(locks.back().name.name));
  auto list = out.initLocks(static_cast<unsigned>(locks.size()));
  for (unsigned i = 0; i < locks.size(); ++i) encode(locks[i], api.deps.state, list[i]);
}

}  // namespace coord::service

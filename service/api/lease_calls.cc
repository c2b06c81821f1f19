#include "service/api/lease_calls.h"

#include <utility>
#include <vector>

#include "service/api/answers.h"
#include "service/api/decode.h"
#include "service/lease/lease_keeper.h"

namespace coord::service {

namespace {

constexpr std::size_t kLeasesPerPage = 1000;
// Keys of one lease that are listed; its count of keys is always whole.
constexpr std::size_t kLeaseKeysMax = 10'000;

rpc::Task<Status> renew_here(Context& api, RenewCall call) {
  std::vector<LeaseId> leases;
  leases.reserve(call.getParams().getIds().size());
  for (const std::uint64_t id : call.getParams().getIds()) leases.emplace_back(id);
  auto renewing = api.deps.leases.renew(std::move(leases));
  const auto renewed = co_await kj::mv(renewing);
  if (!renewed) co_return renewed.error();
  auto out = call.getResults();
  api.fill(out.initHeader());
  auto results = out.initResults(static_cast<unsigned>(renewed->size()));
  for (unsigned i = 0; i < renewed->size(); ++i) {
    const LeaseKeeper::Renewal& renewal = (*renewed)[i];
    if (renewal.ok()) {
      results[i].setTtlMs(static_cast<std::uint64_t>(renewal->count()));
    } else {
      api.fail(renewal.error(), results[i].initFailure());
    }
  }
  co_return Status::success();
}

// How long a lease has left; an error if this member has lost its leadership and cannot tell.
Result<milliseconds> remaining(const Context& api, const LeaseRecord& lease) {
  const auto left = api.deps.leases.remaining(lease.id);
  if (!left) return api.not_leader();
  return *left;
}

rpc::Task<Status> get_here(Context& api, LeaseGetCall call, Instant deadline) {
  auto gate = api.gate.pass(deadline);
  const Status status = co_await std::move(gate);
  if (!status.ok()) co_return status;
  const LeaseId id(call.getParams().getId());
  const auto lease = api.deps.state.lease(id);
  if (!lease) co_return make_error(ErrorCode::kLeaseNotFound, "there is no lease {}", id);
  const auto left = remaining(api, *lease);
  if (!left) co_return left.error();
  auto keys = api.deps.state.lease_keys(id);
  if (keys.size() > kLeaseKeysMax) keys.resize(kLeaseKeysMax);
  auto out = call.getResults();
  api.fill(out.initHeader());
  encode(*lease, *left, out.initInfo());
  auto list = out.initKeys(static_cast<unsigned>(keys.size()));
  for (unsigned i = 0; i < keys.size(); ++i) list.set(i, to_data(keys[i]));
  co_return Status::success();
}

rpc::Task<Status> list_here(Context& api, LeaseListCall call, Instant deadline) {
  auto gate = api.gate.pass(deadline);
  const Status status = co_await std::move(gate);
  if (!status.ok()) co_return status;
  const auto params = call.getParams();
  std::vector<std::pair<LeaseRecord, milliseconds>> page;
  bool more = false;
  for (LeaseRecord& lease : api.deps.state.leases()) {
    if (lease.id.value() <= params.getAfter()) continue;
    if (params.getSessionsOnly() && !lease.session) continue;
    more = page.size() == kLeasesPerPage;
    if (more) break;
    const auto left = remaining(api, lease);
    if (!left) co_return left.error();
    page.emplace_back(std::move(lease), *left);
  }
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setMore(more);
  auto list = out.initLeases(static_cast<unsigned>(page.size()));
  for (unsigned i = 0; i < page.size(); ++i) encode(page[i].first, page[i].second, list[i]);
  co_return Status::success();
}

}  // namespace

rpc::Task<void> serve_renew(Context& api, RenewCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(0);
  Status status = api.door.call_size(call.getParams().getIds().size(), 0);
  if (status.ok()) {
    auto here = [&] { return renew_here(api, call); };
    auto there = [&](schema::Forward::Client leader) {
      auto request = leader.renewRequest();
      request.setIds(call.getParams().getIds());
      return pass_on(api, call, deadline, kj::mv(request));
    };
    auto done = at_the_leader(api, deadline, passing, here, there);
    status = co_await std::move(done);
  }
  if (!status.ok()) refuse(api, call, status.error());
}

rpc::Task<void> serve_lease_get(Context& api, LeaseGetCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(0);
  auto here = [&] { return get_here(api, call, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    auto request = leader.getRequest();
    request.setId(call.getParams().getId());
    return pass_on(api, call, deadline, kj::mv(request));
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

rpc::Task<void> serve_lease_list(Context& api, LeaseListCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(0);
  auto here = [&] { return list_here(api, call, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    auto request = leader.listRequest();
    request.setSessionsOnly(call.getParams().getSessionsOnly());
    request.setAfter(call.getParams().getAfter());
    return pass_on(api, call, deadline, kj::mv(request));
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

}  // namespace coord::service

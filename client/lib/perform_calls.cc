#include <algorithm>
#include <memory>
#include <utility>

#include "client/lib/convert.h"
#include "client/lib/handles.h"
#include "client/lib/perform.h"

namespace coord::internal {
namespace {

// A connection to that very member; made for the occasion if there is none.
rpc::Task<Result<std::shared_ptr<Connection>>> to_endpoint(Core& core, std::string endpoint,
                                                           Instant deadline) {
  auto connection = core.directory().connected(endpoint);
  if (connection != nullptr && !connection->closed()) co_return connection;
  Environment& environment = core.environment();
  const Duration left = std::max(Duration(0), deadline - environment.clock());
  try {
    auto attempt = connect(environment, endpoint, core.options().name).promise();
    auto made = co_await environment.timer.timeoutAfter(to_kj(left), kj::mv(attempt));
    if (!made.ok()) co_return made;
    // One that was begun anew at the address of a member would be taken for it.
    Status status = core.directory().check_cluster(**made);
    if (!status.ok()) co_return status.error();
    co_return made;
  } catch (const kj::Exception&) {
    // Too late.
  }
  co_return make_error(ErrorCode::kUnreachable, "{} does not answer", endpoint);
}

// One attempt there and nowhere else.
template <class T, class Attempt>
rpc::Task<Result<T>> at_endpoint(Core& core, std::string endpoint, Instant deadline,
                                 Attempt attempt) {
  auto connection = co_await to_endpoint(core, endpoint, deadline);
  if (!connection.ok()) co_return connection.error();
  std::string reason;
  try {
    const Duration left = std::max(Duration(0), deadline - core.environment().clock());
    co_return co_await core.environment().timer.timeoutAfter(to_kj(left),
                                                             attempt(*connection.value()));
  } catch (const kj::Exception& exception) {
    reason = exception.getDescription().cStr();
  }
  co_return make_error(ErrorCode::kUnreachable, "{} does not answer: {}", endpoint, reason);
}

}  // namespace

rpc::Task<Result<milliseconds>> perform(Core& core, op::LeaseRenew op) {
  const auto attempt = [&core, id = op.id](Connection& connection) {
    auto request = connection.lease().renewRequest();
    request.initIds(1).set(0, id.value());
    return core.calls().send(
        connection, kj::mv(request), [](auto&& answer) -> Result<milliseconds> {
          if (answer.hasFailure()) return to_error(answer.getFailure());
          const auto results = answer.getResults();
          if (results.size() != 1) {
            return make_error(ErrorCode::kInternal, "one renewal, {} results", results.size());
          }
          if (results[0].isFailure()) return to_error(results[0].getFailure());
          return milliseconds(results[0].getTtlMs());
        });
  };
  co_return co_await core.calls().repeat<milliseconds>(
      {.deadline = core.deadline(op.timeout), .changes = true}, attempt);
}

rpc::Task<Result<LeaseInfo>> perform(Core& core, op::LeaseGet op) {
  const auto attempt = [&core, id = op.id](Connection& connection) {
    auto request = connection.lease().getRequest();
    request.setId(id.value());
    return core.calls().send(connection, kj::mv(request), [](auto&& answer) -> Result<LeaseInfo> {
      if (answer.hasFailure()) return to_error(answer.getFailure());
      LeaseInfo info = to_lease_info(answer.getInfo());
      for (const auto key : answer.getKeys()) info.keys.push_back(to_string(key));
      return info;
    });
  };
  co_return co_await core.calls().repeat<LeaseInfo>({.deadline = core.deadline(op.timeout)},
                                                    attempt);
}

rpc::Task<Result<std::vector<LeaseInfo>>> perform(Core& core, op::LeaseList op) {
  struct Page {
    std::vector<LeaseInfo> leases;
    bool more = false;
  };
  const Instant deadline = core.deadline(op.timeout);
  std::vector<LeaseInfo> all;
  for (std::size_t pages = 0; pages < kPagesMax; ++pages) {
    const LeaseId after = all.empty() ? LeaseId() : all.back().id;
    const auto attempt = [&core, after, sessions_only = op.sessions_only](Connection& connection) {
      auto request = connection.lease().listRequest();
      request.setSessionsOnly(sessions_only);
      request.setAfter(after.value());
      return core.calls().send(connection, kj::mv(request), [](auto&& answer) -> Result<Page> {
        if (answer.hasFailure()) return to_error(answer.getFailure());
        Page page;
        for (const auto lease : answer.getLeases()) page.leases.push_back(to_lease_info(lease));
        page.more = answer.getMore() && !page.leases.empty();
        return page;
      });
    };
    auto page = co_await core.calls().repeat<Page>({.deadline = deadline}, attempt);
    if (!page.ok()) co_return page.error();
    std::move(page->leases.begin(), page->leases.end(), std::back_inserter(all));
    if (!page->more) break;
  }
  co_return all;
}

rpc::Task<Result<MembersResult>> perform(Core& core, op::Members op) {
  const auto attempt = [&core](Connection& connection) {
    return core.calls().send(connection, connection.cluster().membersRequest(),
                             [](auto&& answer) -> Result<MembersResult> {
                               if (answer.hasFailure()) return to_error(answer.getFailure());
                               MembersResult result;
                               for (const auto member : answer.getMembers()) {
                                 result.members.push_back(to_member_info(member));
                               }
                               result.leader = MemberId(answer.getLeader());
                               result.header = to_header(answer.getHeader());
                               return result;
                             });
  };
  co_return co_await core.calls().repeat<MembersResult>(
      {.route = Route::kAny, .deadline = core.deadline(op.timeout)}, attempt);
}

rpc::Task<Result<MemberStatus>> perform(Core& core, op::EndpointStatus op) {
  const auto attempt = [&core](Connection& connection) {
    return core.calls().send(connection, connection.cluster().statusRequest(),
                             [](auto&& answer) -> Result<MemberStatus> {
                               MemberStatus status = to_member_status(answer.getStatus());
                               status.header = to_header(answer.getHeader());
                               return status;
                             });
  };
  const Instant deadline = core.deadline(op.timeout);
  if (op.endpoint.empty()) {
    co_return co_await core.calls().repeat<MemberStatus>(
        {.route = Route::kAny, .deadline = deadline}, attempt);
  }
  co_return co_await at_endpoint<MemberStatus>(core, std::move(op.endpoint), deadline, attempt);
}

rpc::Task<Result<Revision>> perform(Core& core, op::Compact op) {
  const Instant deadline = core.deadline(op.timeout);
  // A leader that was asked before may have done it, also one that has refused in the end because
  // it does not lead any more: then that it is done already is no failure.
  const auto asked = std::make_shared<bool>(false);
  const auto attempt = [&core, revision = op.revision, deadline, asked](Connection& connection) {
    auto request = connection.maintenance().compactRequest();
    request.setRevision(revision.value());
    request.setDeadlineMs(server_deadline_ms(deadline, core.environment().clock()));
    const bool again = std::exchange(*asked, true);
    return core.calls().send(connection, kj::mv(request),
                             [again](auto&& answer) -> Result<Revision> {
                               if (!answer.hasFailure())
                                 return Revision(answer.getCompactRevision());
                               Error error = to_error(answer.getFailure());
                               if (again && error.code == ErrorCode::kCompacted)
                                 return error.revision;
                               return error;
                             });
  };
  co_return co_await core.calls().repeat<Revision>({.deadline = deadline,
                                                    .patience = core.timeout_or_default(op.timeout),
                                                    .changes = true,
                                                    .leader_waits = true},
                                                   attempt);
}

rpc::Task<Result<HealthResult>> perform(Core& core, op::Health op) {
  const Instant deadline = core.deadline(op.timeout);
  const auto attempt = [&core, linearizable = op.linearizable, deadline](Connection& connection) {
    auto request = connection.cluster().healthRequest();
    request.setLinearizable(linearizable);
    request.setDeadlineMs(server_deadline_ms(deadline, core.environment().clock()));
    return core.calls().send(connection, kj::mv(request),
                             [](auto&& answer) -> Result<HealthResult> {
                               return HealthResult{.healthy = answer.getHealthy(),
                                                   .reason = to_string(answer.getReason()),
                                                   .header = to_header(answer.getHeader())};
                             });
  };
  if (op.endpoint.empty()) {
    co_return co_await core.calls().repeat<HealthResult>(
        {.route = Route::kAny,
         .deadline = deadline,
         .patience = core.timeout_or_default(op.timeout)},
        attempt);
  }
  co_return co_await at_endpoint<HealthResult>(core, std::move(op.endpoint), deadline, attempt);
}

}  // namespace coord::internal

#include "service/api/maintenance_calls.h"

#include <utility>

#include "service/api/answers.h"
#include "service/api/compactor.h"
#include "service/api/decode.h"

namespace coord::service {

namespace {

rpc::Task<Status> compact_here(Context& api, CompactCall call, Instant deadline) {
  const Revision line(call.getParams().getRevision());
  auto compacting = api.deps.compactor.compact(line, deadline);
  const Status status = co_await kj::mv(compacting);
  if (!status.ok()) co_return status;
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setCompactRevision(api.deps.state.compacted().value());
  co_return Status::success();
}

rpc::Task<Status> compact_there(Context& api, CompactCall call, schema::Forward::Client leader,
                                Instant deadline) {
  try {
    auto request = leader.compactRequest();
    request.setRevision(call.getParams().getRevision());
    request.setDeadlineMs(api.remaining_ms(deadline));
    auto sent =
        until<capnp::Response<schema::Maintenance::CompactResults>>(api, deadline, request.send());
    const auto response = co_await kj::mv(sent);
    if (response.hasFailure()) co_return decode(response.getFailure());
    call.setResults(response);
    co_return Status::success();
  } catch (const kj::Exception& broken) {
    co_return broken_call(broken);
  }
}

}  // namespace

rpc::Task<void> serve_compact(Context& api, CompactCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  Status status;
  if (call.getParams().getRevision() == 0) {
    status = make_error(ErrorCode::kInvalidArgument, "there is no revision 0");
  } else {
    auto here = [&] { return compact_here(api, call, deadline); };
    auto there = [&](schema::Forward::Client leader) {
      return compact_there(api, call, kj::mv(leader), deadline);
    };
    auto done = at_the_leader(api, deadline, passing, here, there);
    status = co_await std::move(done);
  }
  if (!status.ok()) refuse(api, call, status.error());
}

}  // namespace coord::service

#include <capnp/message.h>

#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "service/api/answers.h"
#include "service/api/command.h"
#include "service/api/decode.h"
#include "service/api/kv_calls.h"
#include "service/api/passing.h"

namespace coord::service {

namespace {

// The writes of a call, told apart: those that may be proposed, and those refused at the door.
struct Sorted {
  std::vector<schema::Write::Reader> valid;
  struct Refused {
    unsigned position;
    Error error;
  };
  std::vector<Refused> refused;  // in order of position
  std::size_t bytes = 0;
};

Result<Sorted> sort_out(const Context& api, WriteCall& call) {
  const auto params = call.getParams();
  const auto writes = params.getWrites();
  try {
    Sorted sorted;
    sorted.bytes = params.totalSize().wordCount * sizeof(capnp::word);
    if (Status status = api.door.call_size(writes.size(), sorted.bytes); !status.ok()) {
      return status.error();
    }
    sorted.valid.reserve(writes.size());
    for (unsigned i = 0; i < writes.size(); ++i) {
      if (Status status = api.door.check(writes[i]); !status.ok()) {
        sorted.refused.push_back({i, status.error()});
      } else {
        sorted.valid.push_back(writes[i]);
      }
    }
    return sorted;
  } catch (const kj::Exception& bent) {
    return make_error(ErrorCode::kInvalidArgument, "the request is malformed: {}",
                      bent.getDescription().cStr());
  }
}

// How large the answer will be, roughly; whatever is larger takes another segment.
capnp::MessageSize answer_size(std::size_t writes) {
  return {writes * 16 + 64, 0};
}

void answer(const Context& api, WriteCall& call, const Sorted& sorted,
            std::span<const WriteResult> applied) {
  CHECK_EQ(applied.size(), sorted.valid.size());
  const std::size_t total = sorted.valid.size() + sorted.refused.size();
  auto out = call.getResults(answer_size(total));
  api.fill(out.initHeader());
  auto results = out.initResults(static_cast<unsigned>(total));
  std::size_t next_applied = 0;
  std::size_t next_refused = 0;
  for (unsigned i = 0; i < total; ++i) {
    const bool refused =
        next_refused < sorted.refused.size() && sorted.refused[next_refused].position == i;
    if (refused) {
      results[i].setRevision(api.deps.state.revision().value());
      api.fail(sorted.refused[next_refused++].error, results[i].initFailure());
    } else {
      encode(applied[next_applied++], results[i]);
    }
  }
}

rpc::Task<Status> write_here(Context& api, WriteCall call, Instant deadline) {
  const Result<Sorted> sorted = sort_out(api, call);
  if (!sorted) co_return sorted.error();
  if (sorted->valid.empty()) {
    answer(api, call, *sorted, {});
    co_return Status::success();
  }
  if (auto refusal = api.deps.refuse_writes()) co_return std::move(*refusal);
  Bytes command = encode_writes(sorted->valid, api.deps.clock.wall_ms(), sorted->bytes, [&api] {
    return api.random.between(1, INT64_MAX);  // so that it fits whatever a client keeps it in
  });
  auto committed = api.deps.applier.commit(std::move(command), deadline);
  const auto applied = co_await kj::mv(committed);
  if (!applied) co_return applied.error();
  if (applied->failure) co_return *applied->failure;
  answer(api, call, *sorted, applied->writes);
  co_return Status::success();
}

rpc::Task<Status> write_there(Context& api, WriteCall call, schema::Forward::Client leader,
                              Instant deadline) {
  try {
    const auto params = call.getParams();
    auto request = leader.writeRequest(params.totalSize());
    request.setWrites(params.getWrites());
    request.setDeadlineMs(api.remaining_ms(deadline));
    auto sent = until<capnp::Response<schema::Kv::WriteResults>>(api, deadline, request.send());
    const auto response = co_await kj::mv(sent);
    if (response.hasFailure()) co_return decode(response.getFailure());
    auto out = call.getResults(response.totalSize());
    out.setHeader(response.getHeader());
    out.setResults(response.getResults());
    co_return Status::success();
  } catch (const kj::Exception& broken) {
    co_return broken_call(broken);
  }
}

}  // namespace

rpc::Task<void> serve_write(Context& api, WriteCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  auto here = [&] { return write_here(api, call, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    return write_there(api, call, kj::mv(leader), deadline);
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

}  // namespace coord::service

#include <capnp/message.h>

#include <optional>
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

Error malformed(const kj::Exception& bent) {
  return make_error(ErrorCode::kInvalidArgument, "the request is malformed: {}",
                    bent.getDescription().cStr());
}

// What a call asks for, however often it is tried. Cap'n Proto lets only so much be read of one
// message, the same again included, so every attempt after the first reads a copy.
class Request {
 public:
  explicit Request(WriteCall call) : call_(call) {}

  WriteCall& call() { return call_; }
  // Once for each attempt. Throws, as all reading does, what is bent.
  schema::Kv::WriteParams::Reader params() {
    if (!std::exchange(tried_, true)) return call_.getParams();
    if (!copy_) {
      copy_.emplace();
      copy_->setRoot(call_.getParams());
    }
    return copy_->getRoot<schema::Kv::WriteParams>().asReader();
  }

 private:
  WriteCall call_;
  bool tried_ = false;
  std::optional<capnp::MallocMessageBuilder> copy_;
};

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

Result<Sorted> sort_out(const Context& api, Request& request) {
  try {
    const auto params = request.params();
    const auto writes = params.getWrites();
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
    return malformed(bent);
  }
}

Result<Bytes> to_command(Context& api, const Sorted& sorted) {
  try {
    return encode_writes(sorted.valid, api.deps.clock.wall_ms(), sorted.bytes, [&api] {
      return api.random.between(1, INT64_MAX);  // so that it fits whatever a client keeps it in
    });
  } catch (const kj::Exception& bent) {
    return malformed(bent);
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

rpc::Task<Status> write_here(Context& api, Request& request, Instant deadline) {
  const Result<Sorted> sorted = sort_out(api, request);
  if (!sorted) co_return sorted.error();
  if (sorted->valid.empty()) {
    answer(api, request.call(), *sorted, {});
    co_return Status::success();
  }
  if (auto refusal = api.deps.refuse_writes()) co_return std::move(*refusal);
  Result<Bytes> command = to_command(api, *sorted);
  if (!command) co_return command.error();
  auto committed = api.deps.applier.commit(std::move(*command), deadline);
  const auto applied = co_await kj::mv(committed);
  if (!applied) co_return applied.error();
  if (applied->failure) co_return *applied->failure;
  answer(api, request.call(), *sorted, applied->writes);
  co_return Status::success();
}

using PassedOn = capnp::Request<schema::Kv::WriteParams, schema::Kv::WriteResults>;

Result<PassedOn> to_pass_on(Request& request, schema::Forward::Client& leader) {
  try {
    const auto params = request.params();
    PassedOn passed_on = leader.writeRequest(params.totalSize());
    passed_on.setWrites(params.getWrites());
    return passed_on;
  } catch (const kj::Exception& bent) {
    return malformed(bent);
  }
}

rpc::Task<Status> write_there(Context& api, Request& request, schema::Forward::Client leader,
                              Instant deadline) {
  Result<PassedOn> passed_on = to_pass_on(request, leader);
  if (!passed_on) co_return passed_on.error();
  try {
    passed_on->setDeadlineMs(api.remaining_ms(deadline));
    auto sent = until<capnp::Response<schema::Kv::WriteResults>>(api, deadline, passed_on->send());
    const auto response = co_await kj::mv(sent);
    if (response.hasFailure()) co_return decode(response.getFailure());
    auto out = request.call().getResults(response.totalSize());
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
  Request request(call);
  auto here = [&] { return write_here(api, request, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    return write_there(api, request, kj::mv(leader), deadline);
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

}  // namespace coord::service

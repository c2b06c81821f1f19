#include "client/lib/writes.h"

#include <vector>

#include "client/lib/convert.h"
#include "raft/base/limits.h"

namespace coord::internal {
namespace {

constexpr std::size_t kCallWritesMax = 64;
// Well below what any server takes, as sizes are estimates.
constexpr std::size_t kWriteCallBytesMax = limits::kConfigurableRequestBytesMin / 4 * 3;

WriteRequest& as_write(Request& request) {
  return static_cast<WriteRequest&>(request);
}
const WriteRequest& as_write(const Request& request) {
  return static_cast<const WriteRequest&>(request);
}

}  // namespace

void Writes::gather(Flight& flight) {
  std::size_t bytes = 0;
  while (!queue().empty() && flight.requests.size() < kCallWritesMax) {
    WriteRequest& request = as_write(*queue().first());
    bytes += request.bytes();
    if (bytes > kWriteCallBytesMax && !flight.requests.empty()) return;
    if (request.numbered && !number(request)) return;
    take(flight);
  }
}

// False: it cannot go before there is a session.
bool Writes::number(WriteRequest& request) {
  if (!request.sequence.is_zero()) return true;
  if (request.session == nullptr) {
    request.session = sessions_.own();
    if (request.session == nullptr) {
      if (auto error = sessions_.take_own_error()) refuse_unnumbered(*error);
      return false;
    }
  }
  request.sequence = request.session->take_sequence();
  return true;
}

void Writes::refuse_unnumbered(const Error& error) {
  std::vector<Request*> refused;
  for (Request* request = queue().first(); request != nullptr; request = Queue::after(*request)) {
    const WriteRequest& write = as_write(*request);
    if (write.numbered && write.session == nullptr) refused.push_back(request);
  }
  for (Request* request : refused) {
    queue().remove(*request);
    finish(std::unique_ptr<Request>(request), error);
  }
}

void Writes::send(Flight& flight) {
  std::uint64_t words = 32;
  for (const Request* request : flight.requests) words += request->bytes() / 8 + 1;
  auto call = flight.connection->kv().writeRequest(capnp::MessageSize{words, 0});
  call.setDeadlineMs(deadline_ms(flight));
  auto writes = call.initWrites(static_cast<unsigned>(flight.requests.size()));
  for (unsigned i = 0; i < writes.size(); ++i) {
    const WriteRequest& request = as_write(*flight.requests[i]);
    auto write = writes[i];
    if (request.numbered) {
      write.setSession(request.session->id.value());
      write.setSequence(request.sequence.value());
      write.setFirstOutstanding(request.session->first_outstanding().value());
    }
    request.encode(write);
  }
  run(flight, call.send().then([this, &flight](auto&& answer) { on_answer(flight, answer); }));
}

void Writes::on_answer(Flight& flight, schema::Kv::WriteResults::Reader answer) {
  const auto results = answer.getResults();
  note_header(flight, answer.getHeader());
  std::optional<Error> whole;
  if (answer.hasFailure()) {
    whole = to_error(answer.getFailure());
  } else if (results.size() != flight.requests.size()) {
    whole = make_error(ErrorCode::kInternal, "{} writes, {} results", flight.requests.size(),
                       results.size());
    whole->outcome = Outcome::kUnknown;
  }
  for (unsigned i = 0; i < flight.requests.size(); ++i) {
    auto request = land(flight, i);
    if (request == nullptr) continue;
    if (whole.has_value()) {
      attempt_failed(std::move(request), flight, *whole);
    } else if (results[i].isFailure()) {
      attempt_failed(std::move(request), flight, to_error(results[i].getFailure()));
    } else {
      answered(*request);
      as_write(*request).answer(results[i]);
    }
  }
}

bool Writes::repeatable(const Request& request) const {
  return as_write(request).numbered;
}

void Writes::on_finished(Request& request) {
  const WriteRequest& write = as_write(request);
  if (!write.sequence.is_zero()) write.session->answered(write.sequence);
}

bool Writes::rescue(Request& request, const Error& error) {
  if (error.code != ErrorCode::kSessionExpired) return false;
  WriteRequest& write = as_write(request);
  if (!write.numbered) return false;
  sessions_.lose(*write.session, Sessions::Loss::kByServer);
  // Refused, and never sent before: it may be numbered in the next session. One that was sent
  // before may have been applied, and its answer forgotten with the session.
  if (write.bound || write.maybe_delivered) return false;
  write.session->answered(write.sequence);
  write.session = nullptr;
  write.sequence = Sequence();
  return true;
}

std::optional<Error> Writes::obstacle(const Request& request) const {
  const WriteRequest& write = as_write(request);
  if (write.numbered && write.sequence.is_zero()) return sessions_.trouble();
  return std::nullopt;
}

}  // namespace coord::internal

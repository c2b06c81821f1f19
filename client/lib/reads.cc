#include "client/lib/reads.h"

#include "client/lib/convert.h"

namespace coord::internal {
namespace {

constexpr std::size_t kCallReadsMax = 64;
constexpr std::size_t kReadCallBytesMax = 256 * 1024;

ReadRequest& as_read(Request& request) {
  return static_cast<ReadRequest&>(request);
}

}  // namespace

void Reads::gather(Flight& flight) {
  std::size_t bytes = 0;
  while (!queue().empty() && flight.requests.size() < kCallReadsMax) {
    ReadRequest& request = as_read(*queue().first());
    bytes += request.bytes();
    if (!flight.requests.empty()) {
      if (bytes > kReadCallBytesMax) return;
      if (as_read(*flight.requests[0]).consistency() != request.consistency()) return;
    }
    take(flight);
  }
}

void Reads::send(Flight& flight) {
  std::uint64_t words = 32;
  for (const Request* request : flight.requests) words += request->bytes() / 8 + 1;
  auto call = flight.connection->kv().readRequest(capnp::MessageSize{words, 0});
  call.setDeadlineMs(deadline_ms(flight));
  encode(call.initConsistency(), as_read(*flight.requests[0]).consistency());
  auto reads = call.initReads(static_cast<unsigned>(flight.requests.size()));
  for (unsigned i = 0; i < reads.size(); ++i) as_read(*flight.requests[i]).encode(reads[i]);
  run(flight, call.send().then([this, &flight](auto&& answer) { on_answer(flight, answer); }));
}

void Reads::on_answer(Flight& flight, schema::Kv::ReadResults::Reader answer) {
  const auto results = answer.getResults();
  const auto header = answer.getHeader();
  const Consistency got = to_consistency(answer.getGot());
  note_header(flight, header);
  std::optional<Error> whole;
  if (answer.hasFailure()) {
    whole = to_error(answer.getFailure());
  } else if (results.size() != flight.requests.size()) {
    whole = make_error(ErrorCode::kInternal, "{} reads, {} results", flight.requests.size(),
                       results.size());
  }
  some_were_answered_ = false;
  for (unsigned i = 0; i < flight.requests.size(); ++i) {
    auto request = land(flight, i);
    if (request == nullptr) continue;
    if (whole.has_value()) {
      attempt_failed(std::move(request), flight, *whole);
    } else if (results[i].isFailure()) {
      attempt_failed(std::move(request), flight, to_error(results[i].getFailure()));
    } else {
      some_were_answered_ = true;
      answered(*request);
      as_read(*request).answer(results[i].getRange(), header, got);
    }
  }
}

bool Reads::rescue(Request&, const Error& error) {
  return error.code == ErrorCode::kOverloaded && some_were_answered_;
}

}  // namespace coord::internal

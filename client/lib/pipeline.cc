#include "client/lib/pipeline.h"

#include <algorithm>

#include "client/lib/failure.h"
#include "raft/base/limits.h"

namespace coord::internal {
namespace {

// Enough for a long network; more would only make each call smaller.
constexpr std::size_t kFlightsMax = 32;
// A request is not sent again when less than this part of its timeout is left.
constexpr int kLastAttempt = 8;
constexpr milliseconds kPauseMin{5};
constexpr milliseconds kPauseMax{50};
// A leader that is alive answers within a few heartbeats, or refuses.
constexpr Duration kSuspicion = milliseconds(400);

}  // namespace

Pipeline::Pipeline(Parts parts, Route route)
    : parts_(std::move(parts)), route_(route), tasks_(*this) {}

Pipeline::~Pipeline() {
  close();
}

void Pipeline::submit(std::unique_ptr<Request> request) {
  if (const std::size_t bytes = request->bytes(); bytes > limits::kConfigurableRequestBytesMax) {
    return request->fail(make_error(ErrorCode::kRequestTooLarge,
                                    "the request has {} bytes, and no server takes more than {}",
                                    bytes, limits::kConfigurableRequestBytesMax));
  }
  Request& added = *request.release();
  added.pipeline = this;
  added.number = next_number_++;
  parts_.deadlines.add(added, added.timeout().count() > 0 ? added.timeout() : parts_.timeout);
  queue_.push_back(added);
}

void Pipeline::flush() {
  while (!queue_.empty() && flights_.size() < kFlightsMax) {
    if (paused_) return;  // the pause's end flushes
    auto connection = parts_.directory.pick(route_);
    if (connection == nullptr) return;  // the directory calls when there is one
    Flight& flight = flights_.emplace_back();
    gather(flight);
    if (flight.requests.empty()) {
      flights_.pop_back();
      return;
    }
    flight.connection = std::move(connection);
    flight.sent = parts_.environment.clock();
    send(flight);
  }
}

void Pipeline::take(Flight& flight) {
  Request* request = queue_.pop_front();
  request->flight = &flight;
  request->place = flight.requests.size();
  flight.requests.push_back(request);
}

std::uint32_t Pipeline::deadline_ms(const Flight& flight) const {
  Instant first = Instant::max();
  Instant last = flight.sent;
  bool all_repeatable = true;
  for (const Request* request : flight.requests) {
    first = std::min(first, request->deadline);
    last = std::max(last, request->deadline);
    all_repeatable &= repeatable(*request);
  }
  // What is refused for the sake of another one's deadline must be able to go again.
  const Duration left = (all_repeatable ? first : last) - flight.sent;
  const auto most = std::chrono::floor<milliseconds>(left * 9 / 10).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(most, 1, UINT32_MAX));
}

void Pipeline::note_header(const Flight& flight, schema::Header::Reader header) {
  parts_.directory.answered(*flight.connection, header);
}

void Pipeline::run(Flight& flight, kj::Promise<void> call) {
  tasks_.add(call.then([this, &flight] { end(flight); },
                       [this, &flight](kj::Exception&& exception) {
                         on_lost(flight, exception);
                         end(flight);
                       }));
}

void Pipeline::end(Flight& flight) {
  const auto place = std::find_if(flights_.begin(), flights_.end(),
                                  [&](const Flight& other) { return &other == &flight; });
  flights_.erase(place);
  parts_.schedule();
}

std::unique_ptr<Request> Pipeline::land(Flight& flight, std::size_t place) {
  Request* request = std::exchange(flight.requests[place], nullptr);
  if (request == nullptr) return nullptr;
  request->flight = nullptr;
  return std::unique_ptr<Request>(request);
}

void Pipeline::answered(Request& request) {
  settle(request);
  refusals_ = 0;
}

void Pipeline::settle(Request& request) {
  parts_.deadlines.remove(request);
  on_finished(request);
}

void Pipeline::on_lost(Flight& flight, const kj::Exception& exception) {
  // Not a lost connection, but a member that does not know the call.
  const bool unsupported = exception.getType() == kj::Exception::Type::UNIMPLEMENTED;
  for (std::size_t i = 0; i < flight.requests.size(); ++i) {
    auto request = land(flight, i);
    if (request == nullptr) continue;
    if (unsupported) {
      finish(std::move(request), make_error(ErrorCode::kUnsupported, "{} does not know this call",
                                            flight.connection->address()));
      continue;
    }
    Error error = make_error(ErrorCode::kConnectionLost, "the connection to {} was lost: {}",
                             flight.connection->address(), exception.getDescription().cStr());
    error.outcome = outcome_in_doubt();
    if (repeatable(*request)) {
      request->maybe_delivered = true;
      request->last_error = std::move(error);
      requeue(std::move(request));
    } else {
      finish(std::move(request), std::move(error));
    }
  }
  if (!unsupported) parts_.directory.lost(flight.connection);
}

void Pipeline::attempt_failed(std::unique_ptr<Request> request, Flight& flight, Error error) {
  if (error.outcome == Outcome::kUnknown && repeatable(*request)) request->maybe_delivered = true;
  if (rescue(*request, error)) return requeue(std::move(request));
  const bool again = error.outcome == Outcome::kNotApplied ||
                     (error.outcome == Outcome::kUnknown && repeatable(*request));
  // An attempt in what little time is left would only make an outcome that is known unknown.
  const Duration left = request->deadline - parts_.environment.clock();
  const bool too_late = left < Duration(request->deadline_class) / kLastAttempt;
  if (!again || too_late || !is_transient(error.code)) {
    return finish(std::move(request), std::move(error));
  }

  const bool leads_not = error.code == ErrorCode::kNotLeader ||
                         error.code == ErrorCode::kNoQuorum ||
                         error.code == ErrorCode::kShuttingDown;
  const bool elsewhere =
      leads_not && parts_.directory.not_leader(flight.connection, error.leader_hint);
  if (!elsewhere) pause(error.retry_after);
  request->last_error = std::move(error);
  requeue(std::move(request));
}

void Pipeline::requeue(std::unique_ptr<Request> request) {
  Request& again = *request.release();
  // Requests go again in the order in which they came first.
  Request* position = queue_.first();
  while (position != nullptr && position->number < again.number) position = Queue::after(*position);
  queue_.insert_before(position, again);
}

void Pipeline::finish(std::unique_ptr<Request> request, Error error) {
  settle(*request);
  if (request->maybe_delivered && error.outcome == Outcome::kNotApplied &&
      !is_verdict(error.code)) {
    error.outcome = outcome_in_doubt();
  }
  request->fail(std::move(error));
}

void Pipeline::expire(Request& request) {
  if (request.flight != nullptr) {
    request.flight->requests[request.place] = nullptr;
    request.flight = nullptr;
    // It was sent, and nothing is known of it.
    request.maybe_delivered = true;
  } else {
    queue_.remove(request);
  }
  std::unique_ptr<Request> owned(&request);
  Error error;
  if (auto missing = obstacle(request)) request.last_error = std::move(missing);
  if (request.last_error.has_value() && is_transient(request.last_error->code)) {
    error = *request.last_error;
  } else {
    error = make_error(ErrorCode::kDeadlineExceeded, "no answer within {} ms",
                       request.deadline_class.count());
    const std::string trouble = parts_.directory.trouble();
    if (!trouble.empty()) {
      error.code = ErrorCode::kUnreachable;
      error.message += " (" + trouble + ")";
    }
  }
  error.outcome = request.maybe_delivered ? outcome_in_doubt() : Outcome::kNotApplied;
  settle(request);
  owned->fail(std::move(error));
}

void Pipeline::pause(milliseconds at_least) {
  if (paused_) return;
  const milliseconds most = std::min(kPauseMax, kPauseMin * (1 << std::min(refusals_, 4u)));
  ++refusals_;
  const Duration jitter{static_cast<std::int64_t>(
      parts_.environment.random() %
      static_cast<std::uint64_t>(Duration(most - kPauseMin / 2).count()))};
  const Duration wait = std::max<Duration>(kPauseMin / 2 + jitter, std::min(at_least, kPauseMax));
  paused_ = true;
  tasks_.add(parts_.environment.timer.afterDelay(to_kj(wait)).then([this] {
    paused_ = false;
    parts_.schedule();
  }));
}

void Pipeline::check_flights(Instant now) {
  for (const Flight& flight : flights_) {
    // In order of sending: the first is the oldest.
    if (now - flight.sent < kSuspicion) return;
    if (flight.connection->closed()) continue;
    auto connection = flight.connection;
    return parts_.directory.suspect(connection, route_);
  }
}

void Pipeline::close() {
  while (Request* request = queue_.pop_front()) cancel(*request);
  for (Flight& flight : flights_) {
    for (Request*& place : flight.requests) {
      Request* request = std::exchange(place, nullptr);
      if (request == nullptr) continue;
      request->maybe_delivered = true;
      cancel(*request);
    }
  }
}

void Pipeline::cancel(Request& request) {
  std::unique_ptr<Request> owned(&request);
  settle(request);
  Error error = make_error(ErrorCode::kCancelled, "the client was closed");
  if (request.maybe_delivered) error.outcome = outcome_in_doubt();
  owned->fail(std::move(error));
}

void Pipeline::taskFailed(kj::Exception&& exception) {
  CHECK(false, "a task of a pipeline failed: {}", exception.getDescription().cStr());
}

}  // namespace coord::internal

// Calls of one request and one answer: sent to a member, and sent again, to another one if need be,
// until there is an answer or the deadline has passed. Only for what may be repeated. I/O thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "client/lib/directory.h"
#include "client/lib/environment.h"
#include "client/lib/failure.h"
#include "raft/base/result.h"
#include "schema/rpc/task.h"

namespace coord::internal {

// How long one member may take over a call that another one could answer as well.
constexpr Duration kCallPatience = seconds(1);
// A change is not asked for again when less than this part of its time is left.
constexpr int kLastTry = 8;
// No server makes a client collect more pages than that.
constexpr std::size_t kPagesMax = 100'000;

// What a member is given to answer in: less than is left here, so that its reason arrives.
inline std::uint32_t server_deadline_ms(Instant deadline, Instant now) {
  const auto most = std::chrono::floor<milliseconds>((deadline - now) * 3 / 4).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(most, 1, UINT32_MAX));
}

// Which attempts of one change may have made it, or may still: those that were sent and of which no
// member has said that they did nothing. What a later attempt is told says nothing of them.
class Doubt final {
 public:
  // An attempt is sent.
  void begin() { ++open_; }
  // It has done nothing.
  void end() { --open_; }
  bool exists() const { return open_ > 0; }

 private:
  unsigned open_ = 0;
};

struct Call {
  Route route = Route::kLeader;
  Instant deadline;
  // An attempt that takes longer is given up for another.
  Duration patience = kCallPatience;
  // It may change something: then a failure tells the outcome of all attempts together.
  bool changes = false;
  // Elsewhere an error of reaching somebody in time is about the member that was asked, and another
  // one may do better. Here it is the answer: the leader waits for others, or for what goes on.
  bool leader_waits = false;
};

class Calls final {
 public:
  Calls(Environment& environment, Directory& directory)
      : environment_(environment), directory_(directory) {}

  // Of an attempt: sends its request; what the answer's header tells is noted before `take` makes a
  // Result of it.
  template <class Request, class Take>
  auto send(Connection& connection, Request request, Take take) {
    return request.send().then([this, &connection, take = std::move(take)](auto&& answer) {
      directory_.answered(connection, answer.getHeader());
      return take(answer);
    });
  }

  // `attempt(Connection&)` gives a kj::Promise<Result<T>>; it is copied into the coroutine and may
  // be called many times. `attempt(Connection&, bool again)`: an attempt before may have done it.
  template <class T, class Attempt>
  rpc::Task<Result<T>> repeat(Call call, Attempt attempt) {
    Doubt doubt;
    const Duration whole = call.deadline - environment_.clock();
    Error last = make_error(ErrorCode::kUnreachable, "no member was reached");
    for (unsigned tries = 0;; ++tries) {
      std::shared_ptr<Connection> connection;
      try {
        connection = co_await environment_.timer.timeoutAfter(
            left(call.deadline), directory_.wait_for(call.route).promise());
      } catch (const kj::Exception& exception) {
        co_return judged(doubt, nowhere_to_go(exception, std::move(last)));
      }
      if (connection->closed()) continue;
      // An attempt in what little time is left would only make an outcome that is known unknown.
      const bool late = call.deadline - environment_.clock() < whole / kLastTry;
      if (call.changes && tries > 0 && late && !doubt.exists()) co_return last;
      bool broken = false;
      try {
        const auto limit = std::min(left(call.deadline), to_kj(call.patience));
        const bool again = doubt.exists();
        if (call.changes) doubt.begin();
        auto result =
            co_await environment_.timer.timeoutAfter(limit, begin<T>(attempt, *connection, again));
        if (result.ok()) co_return result;
        if (call.changes && result.error().outcome == Outcome::kNotApplied) doubt.end();
        if (is_final(call, result.error().code)) co_return judged(doubt, std::move(result).error());
        last = std::move(result).error();
        if (last.code == ErrorCode::kNotLeader || last.code == ErrorCode::kNoQuorum ||
            last.code == ErrorCode::kShuttingDown) {
          directory_.not_leader(connection, last.leader_hint);
        }
      } catch (const kj::Exception& exception) {
        if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED) {
          if (call.changes) doubt.end();
          co_return judged(doubt, make_error(ErrorCode::kUnsupported, "{} does not know this call",
                                             connection->address()));
        }
        if (exception.getType() == kj::Exception::Type::OVERLOADED) {
          last = make_error(ErrorCode::kDeadlineExceeded, "{} has not answered in time",
                            connection->address());
          if (environment_.clock() < call.deadline) directory_.suspect(connection, call.route);
        } else {
          broken = true;
          last = make_error(ErrorCode::kConnectionLost, "the connection to {} was lost: {}",
                            connection->address(), exception.getDescription().cStr());
        }
      }
      if (broken) directory_.lost(connection);
      if (environment_.clock() >= call.deadline) co_return judged(doubt, std::move(last));
      // Somebody else may answer at once; but everybody may refuse.
      if (!broken || tries > 2) {
        co_await environment_.timer.afterDelay(std::min(
            left(call.deadline), to_kj(jittered(milliseconds(5u << std::min(tries, 3u))))));
      }
    }
  }

 private:
  template <class T, class Attempt>
  static kj::Promise<Result<T>> begin(Attempt& attempt, Connection& connection, bool again) {
    if constexpr (std::is_invocable_v<Attempt&, Connection&, bool>) {
      return attempt(connection, again);
    } else {
      return attempt(connection);
    }
  }
  static bool is_final(const Call& call, ErrorCode code) {
    const bool late = code == ErrorCode::kUnreachable || code == ErrorCode::kDeadlineExceeded;
    return !is_transient(code) || (late && call.leader_waits);
  }
  // The end of a call, as far as it is known.
  static Error judged(const Doubt& doubt, Error error) {
    if (doubt.exists() && error.outcome == Outcome::kNotApplied) error.outcome = Outcome::kUnknown;
    return error;
  }
  Error nowhere_to_go(const kj::Exception& exception, Error last) const {
    // The directory was closed under the one that waited.
    if (exception.getType() != kj::Exception::Type::OVERLOADED) {
      return make_error(ErrorCode::kCancelled, "the client was closed");
    }
    const std::string trouble = directory_.trouble();
    return trouble.empty() ? last : make_error(ErrorCode::kUnreachable, "{}", trouble);
  }
  kj::Duration left(Instant deadline) const {
    return to_kj(std::max(Duration(0), deadline - environment_.clock()));
  }
  Duration jittered(Duration most) const {
    const auto half = static_cast<std::uint64_t>(most.count() / 2);
    return Duration(static_cast<std::int64_t>(half + environment_.random() % (half + 1)));
  }

  Environment& environment_;
  Directory& directory_;
};

}  // namespace coord::internal

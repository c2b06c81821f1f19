// Calls of one request and one answer: sent to a member, and sent again, to another one if need be,
// until there is an answer or the deadline has passed. Only for what may be repeated. I/O thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "client/lib/directory.h"
#include "client/lib/environment.h"
#include "client/lib/failure.h"
#include "raft/base/result.h"
#include "schema/rpc/task.h"

namespace coord::internal {

// How long one member may take over a call that another one could answer as well.
constexpr Duration kCallPatience = seconds(1);
// No server makes a client collect more pages than that.
constexpr std::size_t kPagesMax = 100'000;

class Calls final {
 public:
  Calls(Environment& environment, Directory& directory)
      : environment_(environment), directory_(directory) {}

  // `attempt(Connection&)` gives a kj::Promise<Result<T>>; it is copied into the coroutine and may
  // be called many times. An attempt that takes longer than `patience` is given up for another.
  template <class T, class Attempt>
  rpc::Task<Result<T>> repeat(Route route, Instant deadline, Duration patience, Attempt attempt) {
    Error last = make_error(ErrorCode::kUnreachable, "no member was reached");
    for (unsigned tries = 0;; ++tries) {
      std::shared_ptr<Connection> connection;
      try {
        connection = co_await environment_.timer.timeoutAfter(left(deadline),
                                                              directory_.wait_for(route).promise());
      } catch (const kj::Exception&) {
        const std::string trouble = directory_.trouble();
        if (!trouble.empty()) last = make_error(ErrorCode::kUnreachable, "{}", trouble);
        co_return last;
      }
      if (connection->closed()) continue;
      bool broken = false;
      try {
        const auto limit = std::min(left(deadline), to_kj(patience));
        auto result = co_await environment_.timer.timeoutAfter(limit, attempt(*connection));
        if (result.ok() || !is_transient(result.error().code)) co_return result;
        last = std::move(result).error();
        if (last.code == ErrorCode::kNotLeader || last.code == ErrorCode::kNoQuorum ||
            last.code == ErrorCode::kShuttingDown) {
          directory_.not_leader(connection, last.leader_hint);
        }
      } catch (const kj::Exception& exception) {
        if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED) {
          co_return make_error(ErrorCode::kUnsupported, "{} does not know this call",
                               connection->address());
        }
        if (exception.getType() == kj::Exception::Type::OVERLOADED) {
          last = make_error(ErrorCode::kDeadlineExceeded, "{} has not answered in time",
                            connection->address());
          if (environment_.clock() < deadline) directory_.suspect(connection, route);
        } else {
          broken = true;
          last = make_error(ErrorCode::kConnectionLost, "the connection to {} was lost: {}",
                            connection->address(), exception.getDescription().cStr());
        }
      }
      if (broken) directory_.lost(connection);
      if (environment_.clock() >= deadline) co_return last;
      // Somebody else may answer at once; but everybody may refuse.
      if (!broken || tries > 2) {
        co_await environment_.timer.afterDelay(
            std::min(left(deadline), to_kj(jittered(milliseconds(5u << std::min(tries, 3u))))));
      }
    }
  }

 private:
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

// Doing what only the leader can do: here, or there, or trying again when the leadership moved.
#pragma once

#include <capnp/capability.h>
#include <kj/debug.h>
#include <kj/exception.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "schema/rpc/task.h"
#include "service/api/context.h"
#include "service/api/decode.h"

namespace coord::service {

// Whether a request that only the leader can serve may be passed on to it. One that was passed on
// already may not: it would go round in circles while members disagree about who leads.
enum class Passing { kAllowed, kRefused };

// What a broken call to another member means. Nobody can say how far the request came.
Error broken_call(const kj::Exception& exception);
Error no_answer_in_time();

// Refused because that member does not lead: nothing was done, the right one may be asked.
inline bool asked_the_wrong_one(const Status& status) {
  return !status.ok() && status.error().code == ErrorCode::kNotLeader &&
         status.error().outcome == Outcome::kNotApplied;
}

// The other member's answer, or an exception of type DISCONNECTED or OVERLOADED at the deadline.
template <class T>
kj::Promise<T> until(Context& api, Instant deadline, kj::Promise<T> promise) {
  // A little later than the other side's own deadline, whose answer says more.
  const auto left = api.remaining_ms(deadline) + 50;
  return promise.exclusiveJoin(
      api.deps.clock.timer.afterDelay(left * kj::MILLISECONDS).then([]() -> kj::Promise<T> {
        return KJ_EXCEPTION(OVERLOADED, "no answer in time");
      }));
}

// The answer of another member, as our own.
template <class Params, class Results>
rpc::Task<Status> pass_on(Context& api, capnp::CallContext<Params, Results> call, Instant deadline,
                          capnp::Request<Params, Results> request) {
  try {
    auto sent = until<capnp::Response<Results>>(api, deadline, request.send());
    const auto response = co_await kj::mv(sent);
    if (response.hasFailure()) co_return decode(response.getFailure());
    call.setResults(response);
    co_return Status::success();
  } catch (const kj::Exception& broken) {
    co_return broken_call(broken);
  }
}

// The pauses between attempts: short enough for a leadership that moves as it should, and longer
// each time for one that is long in coming, as many may wait for it.
class Pauses {
 public:
  static constexpr milliseconds kFirst{2};
  static constexpr milliseconds kLongest{50};

  // Over at once when something about the leadership changes here.
  rpc::Task<void> next(Context& api, Instant deadline) {
    const Duration left = deadline - api.deps.clock.now();
    const auto pause = std::min<Duration>(length_, left).count() * kj::NANOSECONDS;
    length_ = std::min(2 * length_, kLongest);
    co_await api.deps.clock.timer.afterDelay(pause).exclusiveJoin(
        api.leader.moved().then([this] { length_ = kFirst; }));
  }

 private:
  milliseconds length_ = kFirst;
};

// `here()` and `there(service)` return Task<Status>; a status that asked_the_wrong_one() is tried
// again, wherever the leader is by then. The callables live in the caller's frame.
template <class Here, class There>
rpc::Task<Status> at_the_leader(Context& api, Instant deadline, Passing passing, Here& here,
                                There& there) {
  Pauses pauses;
  for (;;) {
    Status status;
    if (api.leader.here()) {
      status = co_await here();
    } else if (passing == Passing::kRefused) {
      co_return api.not_leader();
    } else {
      auto found = api.leader.find(deadline);
      auto place = co_await kj::mv(found);
      if (!place) {
        status = place.error();
      } else if (std::holds_alternative<LeaderDoor::Here>(*place)) {
        status = co_await here();
      } else {
        auto passed_on = there(std::get<LeaderDoor::There>(*place).service);
        status = co_await std::move(passed_on);
      }
    }
    if (!asked_the_wrong_one(status) || passing == Passing::kRefused) co_return status;
    if (api.deps.clock.now() >= deadline) co_return status;
    auto pausing = pauses.next(api, deadline);
    co_await std::move(pausing);
  }
}

}  // namespace coord::service

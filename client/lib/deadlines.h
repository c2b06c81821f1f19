// When each outstanding request gives up. Requests with the same timeout expire in the order in
// which they came, so there is a list for each timeout in use and nothing to sort. I/O thread.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <map>

#include "client/lib/environment.h"
#include "client/lib/request.h"

namespace coord::internal {

class Deadlines final : private kj::TaskSet::ErrorHandler {
 public:
  explicit Deadlines(Environment& environment) : environment_(environment), tasks_(*this) {}

  // Calls request.pipeline->expire(request) at request.deadline, unless removed before.
  void add(Request& request, milliseconds timeout);
  void remove(Request& request);

 private:
  using Line = List<Request, &Request::deadline_link>;

  void arm();
  void expire_due();
  void taskFailed(kj::Exception&& exception) override;

  Environment& environment_;
  std::map<milliseconds, Line> lines_;
  // The timer is set for then or earlier; far in the future when it is not set.
  Instant armed_ = Instant::max();
  kj::TaskSet tasks_;
};

}  // namespace coord::internal

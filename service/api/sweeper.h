// Looks after things that wait until a deadline: as long as there are any, it calls its owner every
// few milliseconds. That makes deadlines coarse and waiting cheap: a call that is answered in time,
// as nearly all are, never touches a timer.
#pragma once

#include <kj/timer.h>

#include <functional>
#include <optional>
#include <utility>

#include "raft/base/types.h"
#include "schema/rpc/task.h"

namespace coord::service {

class Sweeper {
 public:
  static constexpr milliseconds kInterval{10};

  // `sweep` says whether anything is still waiting. The Sweeper must not outlive what it refers to.
  Sweeper(kj::Timer& timer, std::function<bool()> sweep)
      : timer_(timer), sweep_(std::move(sweep)) {}

  // Something waits now.
  void wake() {
    if (awake_) return;
    awake_ = true;
    task_.emplace(run());
  }

 private:
  rpc::Task<void> run() {
    while (awake_) {
      co_await timer_.afterDelay(kInterval.count() * kj::MILLISECONDS);
      awake_ = sweep_();
    }
  }

  kj::Timer& timer_;
  std::function<bool()> sweep_;
  bool awake_ = false;
  std::optional<rpc::Task<void>> task_;
};

}  // namespace coord::service

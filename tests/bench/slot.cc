#include "tests/bench/slot.h"

namespace coord::bench {

Slot::Slot(const Options& options, Meter& meter, std::latch& done, std::uint64_t number)
    : options_(options),
      meter_(meter),
      done_(done),
      prng_(number),
      value_(options.value_bytes, 'v'),
      lock_name_(options.op == "lock-contended" ? shared_lock_name() : own_lock_name(number)) {}

void Slot::start() {
  action_ = next_action();
  started_ = Clock::now();
  begin(action_);
}

Action Slot::next_action() {
  const std::string& op = options_.op;
  if (op == "get") return Action::kGet;
  if (op == "get-stale") return Action::kGetStale;
  if (op == "lock" || op == "lock-contended") return Action::kLockCycle;
  if (op == "watch") return Action::kStampedPut;
  if (op == "mixed" && !prng_.chance(1, 5)) return Action::kGet;
  return Action::kPut;
}

void Slot::ended(bool succeeded) {
  const Clock::time_point now = Clock::now();
  if (!succeeded) {
    meter_.failed(now);
  } else if (action_ != Action::kStampedPut) {
    meter_.succeeded(started_, now);
  }
  if (meter_.over(now)) {
    done_.count_down();
  } else {
    start();
  }
}

}  // namespace coord::bench

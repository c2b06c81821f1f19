#include "tests/sim/schedule.h"

#include <algorithm>

namespace coord::sim {

void Schedule::add(Instant at, Action action) {
  heap_.push_back({at, next_number_++, action});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

std::pair<Instant, Action> Schedule::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Slot slot = heap_.back();
  heap_.pop_back();
  return {slot.at, slot.action};
}

}  // namespace coord::sim

#include "tests/sim/schedule.h"

#include <algorithm>

namespace coord::sim {

void Schedule::add(Instant at, Action action) {
  std::size_t place = actions_.size();
  if (free_.empty()) {
    actions_.push_back(std::move(action));
  } else {
    place = free_.back();
    free_.pop_back();
    actions_[place] = std::move(action);
  }
  heap_.push_back({at, next_number_++, place});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

std::pair<Instant, Schedule::Action> Schedule::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Slot slot = heap_.back();
  heap_.pop_back();
  free_.push_back(slot.action);
  return {slot.at, std::move(actions_[slot.action])};
}

}  // namespace coord::sim

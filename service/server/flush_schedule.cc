#include "service/server/flush_schedule.h"

namespace coord::service {

FlushSchedule::FlushSchedule(State& state, Store& store, raft::Node& node, FlushOptions options)
    : state_(state),
      store_(store),
      node_(node),
      options_(options),
      flushed_(state.position().applied.index) {}

void FlushSchedule::look(Instant now) {
  if (store_.flushing()) return;
  if (!dirty_since_ && store_.overlay_bytes() > 0) dirty_since_ = now;
  if (due(now)) flush();
}

bool FlushSchedule::due(Instant now) {
  if (store_.overlay_bytes() >= options_.bytes) return true;
  if (store_.flush_pages() >= options_.pages) return true;
  if (dirty_since_ && now - *dirty_since_ >= options_.age) return true;
  return state_.position().applied.index - flushed_ >= options_.entries;
}

void FlushSchedule::flush() {
  // The position goes into the same transaction as what was applied up to it.
  state_.save();
  const raft::LogId through = state_.position().applied;
  flushed_ = through.index;
  dirty_since_.reset();
  store_.flush([this, through] { node_.flushed(through); });
}

}  // namespace coord::service

#include "service/server/flush_schedule.h"

namespace coord::service {

namespace {

// Than that part of what may wait.
bool more_waits_than(double part, const Store& store, const FlushOptions& options) {
  return static_cast<double>(store.overlay_bytes()) >
             part * static_cast<double>(options.behind_bytes) ||
         static_cast<double>(store.flush_pages()) >
             part * static_cast<double>(options.behind_pages);
}

}  // namespace

bool is_behind(const Store& store, const FlushOptions& options) {
  return store.flushing() && more_waits_than(1, store, options);
}

bool is_too_fast(const Store& store, const FlushOptions& options) {
  const double at_once = options.at_once;
  return store.flushing() &&
         more_waits_than(at_once + (1 - at_once) * store.flush_progress(), store, options);
}

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

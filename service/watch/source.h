// Where watches read the past and the present from: the state, or a test's twin of it.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "raft/base/result.h"
#include "service/state/state.h"

namespace coord::service {

class WatchSource {
 public:
  virtual ~WatchSource() = default;
  virtual Revision revision() const = 0;
  virtual Revision compacted() const = 0;
  // As State::changes_since.
  virtual Result<Revision> changes_since(
      Revision from, std::size_t bytes_max,
      const std::function<void(Revision, std::span<const Change>)>& visit) const = 0;
  // As State::previous_of.
  virtual std::optional<KeyValue> previous_of(const Change& change) const = 0;
  // As State::range.
  virtual Result<RangeResult> range(const RangeQuery& query) const = 0;
};

class StateWatchSource final : public WatchSource {
 public:
  explicit StateWatchSource(const State& state) : state_(state) {}

  Revision revision() const override { return state_.revision(); }
  Revision compacted() const override { return state_.compacted(); }
  Result<Revision> changes_since(
      Revision from, std::size_t bytes_max,
      const std::function<void(Revision, std::span<const Change>)>& visit) const override {
    return state_.changes_since(from, bytes_max, visit);
  }
  std::optional<KeyValue> previous_of(const Change& change) const override {
    return state_.previous_of(change);
  }
  Result<RangeResult> range(const RangeQuery& query) const override { return state_.range(query); }

 private:
  const State& state_;
};

}  // namespace coord::service

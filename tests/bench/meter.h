// Meter: what one client measures, and when.
//
// A run has three parts: load that is not measured, the measurement, and the end, after which
// nothing new is started. An operation counts if it ends within the measurement. A meter belongs to
// one thread, and is read when that thread has stopped.
#pragma once

#include <chrono>
#include <cstdint>

#include "tests/bench/histogram.h"
#include "tests/bench/options.h"

namespace coord::bench {

using Clock = std::chrono::steady_clock;

struct Window {
  Clock::time_point begin;
  Clock::time_point end;

  static Window after_warmup(const Options& options) {
    const Clock::time_point begin = Clock::now() + options.warmup;
    return {begin, begin + options.duration};
  }
};

class Meter final {
 public:
  // Before the first operation.
  void open(Window window) { window_ = window; }

  bool over(Clock::time_point now) const { return now >= window_.end; }
  void succeeded(Clock::time_point started, Clock::time_point ended) {
    if (within(ended)) latencies_.record(ended - started);
  }
  void failed(Clock::time_point ended) {
    if (within(ended)) ++fails_;
  }

  const Histogram& latencies() const { return latencies_; }
  std::uint64_t fails() const { return fails_; }

 private:
  bool within(Clock::time_point ended) const {
    return ended >= window_.begin && ended < window_.end;
  }

  Window window_{};
  Histogram latencies_;
  std::uint64_t fails_ = 0;
};

}  // namespace coord::bench

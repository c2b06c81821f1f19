// What a load generator prints.
#pragma once

#include <cstdint>

#include "tests/bench/meter.h"
#include "tests/bench/options.h"

namespace coord::bench {

struct Measurement {
  Histogram latencies;
  std::uint64_t fails = 0;

  void add(const Meter& meter) {
    latencies.merge(meter.latencies());
    fails += meter.fails();
  }
};

void print(const Options& options, const Measurement& measurement);

}  // namespace coord::bench

// One simulated run from one seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/coverage.h"
#include "tests/sim/swarm.h"

namespace coord::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  Duration with_faults = seconds(10);
  bool tracing = false;
};

struct RunResult {
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  Coverage coverage;
  Swarm swarm;
  std::optional<std::string> violation;
  std::vector<std::string> trace;
};

RunResult run(const RunOptions& options);

}  // namespace coord::sim

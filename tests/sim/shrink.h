// Makes a plan that fails smaller: fewer kinds of faults, fewer troubles and operations, fewer
// members and clients, less time. A smaller plan counts if it fails too, in whatever way: what is
// left is what matters.
#pragma once

#include <functional>

#include "tests/sim/run.h"

namespace coord::sim {

struct Shrunk {
  Plan plan;
  RunResult result;
  std::uint64_t runs = 0;
};

// `run_it` says what becomes of a plan; `plan` fails. At most so many runs.
using RunIt = std::function<RunResult(const Plan&)>;
Shrunk shrink(Plan plan, const RunIt& run_it, std::uint64_t runs_max);

}  // namespace coord::sim

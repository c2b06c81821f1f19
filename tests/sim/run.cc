#include "tests/sim/run.h"

#include "tests/sim/world.h"

namespace coord::sim {

RunResult run(const RunOptions& options) {
  World world(options.seed, options.tracing);
  RunResult result;
  try {
    world.run(options.with_faults);
  } catch (const Violation& violation) {
    result.violation = violation.what();
  }
  result.trace_hash = world.trace_hash();
  result.events = world.events();
  result.coverage = world.coverage();
  result.swarm = world.swarm();
  result.trace = world.trace();
  return result;
}

}  // namespace coord::sim

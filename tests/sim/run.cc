#include "tests/sim/run.h"

#include "tests/sim/world.h"

#include <cstdio>

namespace coord::sim {

namespace {
const Trace* current_trace = nullptr;
}

void print_current_trace() {
  if (current_trace == nullptr) return;
  for (const std::string& line : current_trace->lines()) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

RunResult run(const Plan& plan, std::size_t trace_lines) {
  RunResult result;
  World world(plan, trace_lines);
  current_trace = &world.stage().trace;
  try {
    world.run();
  } catch (const Violation& violation) {
    result.violation = violation.what();
  }
  const Stage& stage = world.stage();
  current_trace = nullptr;
  result.trace_hash = stage.trace.hash();
  result.events = stage.events;
  result.coverage = stage.coverage;
  result.troubles = stage.troubles;
  result.operations = stage.operations;
  result.ended_at = stage.now.time_since_epoch();
  result.trace.assign(stage.trace.lines().begin(), stage.trace.lines().end());
  return result;
}

}  // namespace coord::sim

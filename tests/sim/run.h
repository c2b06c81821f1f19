// One simulated run from one plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/coverage.h"
#include "tests/sim/plan.h"

namespace coord::sim {

struct RunResult {
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;  // stepped into cores
  Coverage coverage;
  // What came up to be left out by a plan.
  std::uint32_t troubles = 0;
  std::uint32_t operations = 0;
  Duration ended_at{0};
  std::optional<std::string> violation;
  std::vector<std::string> trace;  // the newest lines
};

// Keeps that many lines in words.
RunResult run(const Plan& plan, std::size_t trace_lines = 0);

// To standard error, the newest trace lines of the run that is going on: for who has to end in the
// middle of it.
void print_current_trace();

}  // namespace coord::sim

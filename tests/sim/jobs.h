// Runs in processes of their own: several at once, and a run that ends in a failed CHECK is a
// failed run and not the end of everything.
#pragma once

#include <functional>

#include "tests/sim/run.h"

namespace coord::sim {

// As run(), in a child process. A CHECK's message is the violation; the newest trace lines are
// kept then too.
RunResult run_apart(const Plan& plan, std::size_t trace_lines = 0);

// Runs the plans that `plan_of(i)` makes of 0 to count-1, `jobs` at a time, and tells of each in
// order. Stops early when `tell` returns false.
void run_many(std::uint64_t count, std::uint64_t jobs,
              const std::function<Plan(std::uint64_t)>& plan_of,
              const std::function<bool(const Plan&, const RunResult&)>& tell);

}  // namespace coord::sim

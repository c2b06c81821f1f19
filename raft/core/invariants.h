// What must hold of a core at any time, and between two moments of its life. Run after every step
// in tests and in simulation.
#pragma once

#include <string>
#include <vector>

#include "raft/core/core.h"

namespace coord::raft {

// What is broken, one sentence each; empty if all is well. `before` is an earlier moment of the
// same core.
std::vector<std::string> check_invariants(const CoreStatus& now, const CoreStatus& before);

}  // namespace coord::raft

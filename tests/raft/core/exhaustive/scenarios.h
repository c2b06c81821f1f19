// The small clusters that are searched, and the bounds that keep them small (README.md).
#pragma once

#include <vector>

#include "tests/raft/core/exhaustive/search.h"

namespace coord::raft::exhaustive {

std::vector<Scenario> scenarios();

}  // namespace coord::raft::exhaustive

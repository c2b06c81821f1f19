// What some tables say of the state in them, without making a State of them: for a snapshot, which
// may be damaged, where a State may rely on its tables.
#pragma once

#include <optional>

#include "service/state/state.h"

namespace coord::service {

struct StateSummary {
  StatePosition position;
  std::optional<AppliedConfiguration> configuration;
};

// Nothing: the tables hold no state, or one that cannot be read. Any thread.
std::optional<StateSummary> summarize(const Tables& tables);

}  // namespace coord::service

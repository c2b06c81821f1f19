// What the store has to know of the state that it keeps, when it makes or receives a snapshot.
#pragma once

#include "service/store/snapshot.h"

namespace coord::service {

// A ReadContent.
Result<SnapshotContent> read_snapshot_content(const Tables& tables);

}  // namespace coord::service

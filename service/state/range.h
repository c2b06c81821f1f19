// Reading a range of keys, now or as it was.
#pragma once

#include "raft/base/result.h"
#include "service/state/keyspace.h"

namespace coord::service {

// State::range.
Result<RangeResult> read_range(const Keyspace& keys, const RangeQuery& query);

}  // namespace coord::service

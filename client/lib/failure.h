// What a failure code means for a request that failed with it.
#pragma once

#include "raft/base/error.h"

namespace coord::internal {

// The same request may succeed later, or at another member.
bool is_transient(ErrorCode code);

// The request was looked at and found wrong, which no other attempt of it can change: neither one
// before (in a session both have one answer) nor one that is still on its way.
bool is_verdict(ErrorCode code);

}  // namespace coord::internal

// Leadership for another member, at this one, which leads.
#pragma once

#include "raft/base/result.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

// Who leads then. `target` zero: whoever is best prepared. Errors: kNotLeader; kMemberNotFound,
// kInvalidArgument, kUnreachable (nothing was begun); kDeadlineExceeded (it has failed, and this
// member leads on; or, with outcome unknown, it has not ended in time).
rpc::Task<Result<MemberId>> transfer_leadership(Context& api, MemberId target, Instant deadline);

}  // namespace coord::service

// Leadership for another member, at this one, which leads.
#pragma once

#include "raft/base/result.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

struct Handover {
  // Without a target: if another one than this leads, it is done, so that such a request can be
  // repeated. Zero: whoever leads.
  MemberId from;
  MemberId target;  // zero: whoever is best prepared
};

// Who leads then. Errors: kNotLeader; kMemberNotFound, kInvalidArgument, kUnreachable (nothing was
// begun); kDeadlineExceeded, outcome unknown: it has not ended in time, or this member leads on,
// but the target may still be told to take over by a message that is late.
rpc::Task<Result<MemberId>> transfer_leadership(Context& api, Handover wanted, Instant deadline);

}  // namespace coord::service

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
// begun); kDeadlineExceeded (it has failed, and this member leads on; or, with outcome unknown, it
// has not ended in time).
rpc::Task<Result<MemberId>> transfer_leadership(Context& api, Handover wanted, Instant deadline);

}  // namespace coord::service

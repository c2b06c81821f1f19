// Changes of the members, at this one, which leads: looks whether it makes sense, has the core do
// it, and waits until it is done.
#pragma once

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

// The member that it was about. `change` stays valid until the task has ended. Errors, where
// nothing was changed: kNotLeader, kNoQuorum (no leader that could do it yet), kInvalidArgument,
// kMemberNotFound, kMemberExists, kMemberRemoved, kUnreachable, kWrongCluster, kWrongMember,
// kChangeInFlight, kNotCaughtUp, kWouldLoseQuorum; and kDeadlineExceeded, with outcome unknown.
rpc::Task<Result<MemberId>> change_members(Context& api, schema::MemberChange::Reader change,
                                           Instant deadline);

}  // namespace coord::service

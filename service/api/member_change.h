// Changes of the members, at this one, which leads: looks whether it makes sense, has the core do
// it, and waits until it is done.
#pragma once

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

struct ChangedMembers {
  MemberId member;    // which one it was about
  bool made = false;  // by this call; else it was so already
};

// `change` stays valid until the task has ended. Whatever is answered holds of a committed
// configuration: a leader that has been deposed, and does not know it yet, answers nothing. Errors,
// where nothing was changed: kNotLeader, kNoQuorum (no leader that could do it yet),
// kInvalidArgument, kMemberNotFound, kMemberExists, kMemberRemoved, kUnreachable, kWrongCluster,
// kWrongMember, kChangeInFlight, kNotCaughtUp, kWouldLoseQuorum, kDeadlineExceeded; and that with
// outcome unknown.
rpc::Task<Result<ChangedMembers>> change_members(Context& api, schema::MemberChange::Reader change,
                                                 Instant deadline);

}  // namespace coord::service

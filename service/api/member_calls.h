// What members ask of each other besides passing requests on: publishing what a member says of
// itself (its name and where its clients reach it), and the digests of their states.
#pragma once

#include <capnp/capability.h>

#include "schema/peer.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"
#include "service/api/passing.h"

namespace coord::service {

using PublishCall =
    capnp::CallContext<schema::Forward::PublishMemberParams, schema::Forward::PublishMemberResults>;

rpc::Task<void> serve_publish(Context& api, PublishCall call);

using DigestsCall =
    capnp::CallContext<schema::Forward::DigestsParams, schema::Forward::DigestsResults>;

void serve_digests(const Context& api, DigestsCall call);

// Proposes a member's record, as leader. kNotLeader if this member does not lead.
rpc::Task<Status> publish_here(Context& api, schema::MemberInfo::Reader member, Instant deadline);

// Puts this member's own record into the state, through the leader.
rpc::Task<Status> publish_self(Context& api, MemberRecord record, Instant deadline);

}  // namespace coord::service

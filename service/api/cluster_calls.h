// The members, how they are, and whether this one is of use.
#pragma once

#include <capnp/capability.h>

#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

using MembersCall =
    capnp::CallContext<schema::Cluster::MembersParams, schema::Cluster::MembersResults>;
using StatusCall =
    capnp::CallContext<schema::Cluster::StatusParams, schema::Cluster::StatusResults>;
using HealthCall =
    capnp::CallContext<schema::Cluster::HealthParams, schema::Cluster::HealthResults>;

// As this member knows them; answered whether or not there is a leader.
void serve_members(Context& api, MembersCall call);
void serve_status(Context& api, StatusCall call);
rpc::Task<void> serve_health(Context& api, HealthCall call);

}  // namespace coord::service

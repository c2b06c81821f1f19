// Renewing leases and looking at them: what only the leader can do, because it alone knows how long
// a lease has left.
#pragma once

#include <capnp/capability.h>

#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"
#include "service/api/passing.h"

namespace coord::service {

using RenewCall = capnp::CallContext<schema::Lease::RenewParams, schema::Lease::RenewResults>;
using LeaseGetCall = capnp::CallContext<schema::Lease::GetParams, schema::Lease::GetResults>;
using LeaseListCall = capnp::CallContext<schema::Lease::ListParams, schema::Lease::ListResults>;

rpc::Task<void> serve_renew(Context& api, RenewCall call, Passing passing);
rpc::Task<void> serve_lease_get(Context& api, LeaseGetCall call, Passing passing);
rpc::Task<void> serve_lease_list(Context& api, LeaseListCall call, Passing passing);

}  // namespace coord::service

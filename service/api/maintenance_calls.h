// What operators ask for, and only the leader can do.
#pragma once

#include <capnp/capability.h>

#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"
#include "service/api/passing.h"

namespace coord::service {

using CompactCall =
    capnp::CallContext<schema::Maintenance::CompactParams, schema::Maintenance::CompactResults>;

rpc::Task<void> serve_compact(Context& api, CompactCall call, Passing passing);

}  // namespace coord::service

// Who takes part, as people change it: what only the leader can do, from any member.
#pragma once

#include <capnp/capability.h>

#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"
#include "service/api/passing.h"

namespace coord::service {

using ProbeCall =
    capnp::CallContext<schema::Membership::ProbeParams, schema::Membership::ProbeResults>;
using ChangeCall =
    capnp::CallContext<schema::Membership::ChangeParams, schema::Membership::ChangeResults>;
using ProgressCall =
    capnp::CallContext<schema::Membership::ProgressParams, schema::Membership::ProgressResults>;
using TransferCall =
    capnp::CallContext<schema::Membership::TransferParams, schema::Membership::TransferResults>;

rpc::Task<void> serve_probe(Context& api, ProbeCall call, Passing passing);
rpc::Task<void> serve_change(Context& api, ChangeCall call, Passing passing);
rpc::Task<void> serve_progress(Context& api, ProgressCall call, Passing passing);
rpc::Task<void> serve_transfer(Context& api, TransferCall call, Passing passing);

}  // namespace coord::service

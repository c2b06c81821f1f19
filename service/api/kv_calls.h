// Writes and reads, whoever they come from: a client, or another member on behalf of its client.
#pragma once

#include <capnp/capability.h>

#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"
#include "service/api/passing.h"

namespace coord::service {

using WriteCall = capnp::CallContext<schema::Kv::WriteParams, schema::Kv::WriteResults>;
using ReadCall = capnp::CallContext<schema::Kv::ReadParams, schema::Kv::ReadResults>;

rpc::Task<void> serve_write(Context& api, WriteCall call, Passing passing);
rpc::Task<void> serve_read(Context& api, ReadCall call);

}  // namespace coord::service

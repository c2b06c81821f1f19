// Waiting for locks and looking at them. Acquiring and releasing are writes (kv_calls.h).
#pragma once

#include <capnp/capability.h>

#include "schema/coord.capnp.h"
#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

using LockAwaitCall = capnp::CallContext<schema::Lock::AwaitParams, schema::Lock::AwaitResults>;
using LockShowCall = capnp::CallContext<schema::Lock::ShowParams, schema::Lock::ShowResults>;
using LockListCall = capnp::CallContext<schema::Lock::ListParams, schema::Lock::ListResults>;

// All of them see at least what had been acknowledged when they came: each passes the read gate.
rpc::Task<void> serve_lock_await(Context& api, LockAwaitCall call);
rpc::Task<void> serve_lock_show(Context& api, LockShowCall call);
rpc::Task<void> serve_lock_list(Context& api, LockListCall call);

}  // namespace coord::service

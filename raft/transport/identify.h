// Asks whoever listens at an address who it is, without becoming its peer: before it is made a
// member, and for people. Loop thread only.
#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <string>

#include "raft/base/result.h"
#include "raft/transport/transport.h"
#include "schema/rpc/task.h"

namespace coord::raft {

// Errors: kUnreachable (nobody, or nobody who answers like a member), kInvalidArgument (what
// answers makes no sense).
rpc::Task<Result<Identification>> identify(kj::Network& network, kj::Timer& timer,
                                           std::string address, Duration timeout);

}  // namespace coord::raft

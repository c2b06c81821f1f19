// How a new member finds the cluster that it is to join: it asks members that people know, at their
// client addresses. Loop thread; what is asked here waits on the loop.
#pragma once

#include <string>
#include <vector>

#include "raft/base/result.h"
#include "schema/rpc/loop.h"
#include "service/server/config.h"
#include "service/server/data_directory.h"

namespace coord::service {

// A new identity in the cluster that one of `config.join` belongs to. Errors: kUnreachable (nobody
// answers at any of them), kMemberExists (its name or its peer address is another member's).
Result<Identity> find_cluster(rpc::Loop& loop, const ServerConfig& config);

}  // namespace coord::service

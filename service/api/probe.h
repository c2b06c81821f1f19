// Asking who answers at a peer address that somebody has named. Each takes a connection, so only so
// many are asked at a time.
#pragma once

#include <string>

#include "schema/rpc/task.h"
#include "service/api/context.h"

namespace coord::service {

// Errors: kUnreachable; kOverloaded.
rpc::Task<Result<FoundMember>> probe(Context& api, std::string address);

}  // namespace coord::service

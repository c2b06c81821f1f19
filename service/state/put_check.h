// What every put is held to, alone or in a transaction.
#pragma once

#include <string_view>

#include "raft/base/result.h"
#include "service/state/lease_table.h"

namespace coord::service {

// kEmptyKey, kReservedKey, kLeaseNotFound.
Status check_put(const LeaseTable& leases, std::string_view key, LeaseId lease);

Error lease_not_found(LeaseId lease);

}  // namespace coord::service

// What the keeper of leases proposes (schema/log.capnp), flat and aligned.
#pragma once

#include <cstdint>
#include <span>

#include "raft/base/bytes.h"
#include "raft/base/types.h"

namespace coord::service {

struct LeaseExpiry {
  LeaseId lease;
  Index renewed_at;  // as it was when this was decided
};

Bytes encode_renew(std::span<const LeaseId> leases, std::uint64_t stamp_ms);
Bytes encode_expire(std::span<const LeaseExpiry> leases, std::uint64_t stamp_ms);

}  // namespace coord::service

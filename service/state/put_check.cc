#include "service/state/put_check.h"

#include "service/state/reserved.h"

namespace coord::service {

Status check_put(const LeaseTable& leases, std::string_view key, LeaseId lease) {
  if (key.empty()) return make_error(ErrorCode::kEmptyKey, "a key must not be empty");
  if (is_reserved(key)) {
    return make_error(ErrorCode::kReservedKey, "keys under {} are read-only", kReservedPrefix);
  }
  if (!lease.is_zero() && !leases.exists(lease)) return lease_not_found(lease);
  return Status::success();
}

Error lease_not_found(LeaseId lease) {
  return make_error(ErrorCode::kLeaseNotFound, "there is no lease {}", lease);
}

}  // namespace coord::service

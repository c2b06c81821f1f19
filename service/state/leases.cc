#include "service/state/leases.h"

#include <string>
#include <vector>

#include "raft/base/limits.h"
#include "service/state/from_schema.h"
#include "service/state/put_check.h"

namespace coord::service {

Result<LeaseGrantResult> Leases::grant(schema::LeaseGrant::Reader grant, Index at,
                                       std::uint64_t now_ms) {
  if (grant.getTtlMs() == 0) {
    return make_error(ErrorCode::kZeroTtl, "a lease needs a time to live");
  }
  if (grant.getTtlMs() > limits::kLeaseTtlMsMax) {
    return make_error(ErrorCode::kInvalidArgument, "a lease may live for {} ms at most",
                      limits::kLeaseTtlMsMax);
  }
  LeaseRecord record;
  record.id = LeaseId(grant.getId());
  if (record.id.is_zero()) {
    record.id = choose_id();
  } else if (const auto existing = table_.find(record.id)) {
    if (grant.getNonce() != 0 && grant.getNonce() == existing->nonce) {
      // Asked for again, because the answer was lost: what is acknowledged now lives from now on.
      const auto ttl = renew(record.id, at);
      return LeaseGrantResult{record.id, *ttl};
    }
    return make_error(ErrorCode::kLeaseExists, "there is a lease {} already", record.id);
  }
  record.ttl = milliseconds(grant.getTtlMs());
  record.session = grant.getSession();
  record.name = to_view(grant.getName());
  record.host = to_view(grant.getHost());
  record.pid = grant.getPid();
  record.nonce = grant.getNonce();
  record.granted_at_ms = now_ms;
  record.renewed_at = at;
  table_.add(record);
  observer_.on_lease_granted(record.id, record.ttl);
  return LeaseGrantResult{record.id, record.ttl};
}

LeaseId Leases::choose_id() {
  do {
    // Wraps around behind the last id there is, past zero, which is none.
    last_chosen_ = last_chosen_ == LeaseId::max() ? LeaseId(1) : last_chosen_.next();
  } while (table_.exists(last_chosen_));
  return last_chosen_;
}

Status Leases::revoke(LeaseId id, std::uint64_t now_ms) {
  if (!table_.exists(id)) return lease_not_found(id);
  end(id, now_ms);
  return Status::success();
}

std::optional<milliseconds> Leases::renew(LeaseId id, Index at) {
  auto record = table_.find(id);
  if (!record) return std::nullopt;
  record->renewed_at = at;
  table_.update(*record);
  observer_.on_lease_renewed(id);
  return record->ttl;
}

void Leases::expire(LeaseId id, Index renewed_at, std::uint64_t now_ms) {
  const auto record = table_.find(id);
  if (record && record->renewed_at == renewed_at) end(id, now_ms);
}

void Leases::end(LeaseId id, std::uint64_t now_ms) {
  // First, so that its keys need not be counted down one by one.
  table_.erase(id);
  const std::vector<std::string> keys = table_.keys(id);
  for (const std::string& key : keys) keys_.erase(key);
  keys_.finish();
  for (const LockName& name : table_.places(id)) locks_.leave(name, id, now_ms);
  sessions_.forget(id);
  observer_.on_lease_ended(id);
}

}  // namespace coord::service

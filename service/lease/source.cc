#include "service/lease/lease_keeper.h"

namespace coord::service {

std::optional<LeaseSource::Terms> StateLeaseSource::terms(LeaseId lease) const {
  const auto record = state_.lease(lease);
  if (!record) return std::nullopt;
  return Terms{
      .ttl = record->ttl, .renewed_at = record->renewed_at, .attached_keys = record->attached_keys};
}

void StateLeaseSource::each(const std::function<void(LeaseId, milliseconds ttl)>& visit) const {
  for (const LeaseRecord& record : state_.leases()) visit(record.id, record.ttl);
}

}  // namespace coord::service

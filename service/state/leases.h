// Granting, renewing and ending leases. What the end of one takes with it goes in the same entry:
// its keys, its locks and places in queues (and whoever waited behind enters), its replies.
#pragma once

#include <cstdint>
#include <optional>

#include "raft/base/result.h"
#include "schema/log.capnp.h"
#include "service/state/keyspace.h"
#include "service/state/lease_table.h"
#include "service/state/locks.h"
#include "service/state/sessions.h"
#include "service/state/state.h"

namespace coord::service {

class Leases {
 public:
  Leases(Keyspace& keys, LeaseTable& table, Locks& locks, Sessions& sessions,
         StateObserver& observer, const Meta& meta)
      : keys_(keys),
        table_(table),
        locks_(locks),
        sessions_(sessions),
        observer_(observer),
        last_chosen_(meta.last_lease) {}

  // `at` is the entry that is being applied. kZeroTtl, kInvalidArgument (a TTL of more than
  // limits::kLeaseTtlMsMax), kLeaseExists. A nonce of zero is like no other. An id that the state
  // chooses is one that it never chose before.
  Result<LeaseGrantResult> grant(schema::LeaseGrant::Reader grant, Index at, std::uint64_t now_ms);
  // kLeaseNotFound.
  Status revoke(LeaseId id, std::uint64_t now_ms);
  // The TTL; nothing if there is no such lease.
  std::optional<milliseconds> renew(LeaseId id, Index at);
  // Without effect if another entry than that one granted it or renewed it last.
  void expire(LeaseId id, Index renewed_at, std::uint64_t now_ms);

  LeaseId last_chosen() const { return last_chosen_; }

 private:
  void end(LeaseId id, std::uint64_t now_ms);
  LeaseId choose_id();

  Keyspace& keys_;
  LeaseTable& table_;
  Locks& locks_;
  Sessions& sessions_;
  StateObserver& observer_;
  LeaseId last_chosen_;
};

}  // namespace coord::service

// Each kind of write, to the wire and back: encode() fills a schema::Write, decode() makes the
// response of its result (which is not a failure), bytes_of() estimates its size on the wire.
//
// Beside the operations of the public headers there are those that the library makes itself.
#pragma once

#include <cstddef>
#include <string>
#include <variant>

#include "coord/operations.h"
#include "schema/coord.capnp.h"

namespace coord::internal {

// Where a session stands with a lock.
struct Granted {
  LockToken token;
};
struct Queued {
  std::uint64_t ahead = 0;
};
struct NotQueued {};
using LockStanding = std::variant<Granted, Queued, NotQueued>;

struct AcquireWrite {
  using Response = Result<LockStanding>;
  LockName lock;
  LeaseId lease;
  LockMode mode = LockMode::kExclusive;
  bool wait = false;
  std::string value;
};
struct CancelWrite {
  using Response = Result<LockStanding>;
  LockName lock;
  LeaseId lease;
};
struct ReleaseWrite {
  using Response = Status;
  LockName lock;
  LeaseId lease;
  LockToken token;
};
struct ProclaimWrite {
  using Response = Status;
  std::string election;
  LeaseId lease;
  LockToken token;
  std::string value;
};

void encode(schema::Write::Builder target, const op::Put& op);
void encode(schema::Write::Builder target, const op::Delete& op);
void encode(schema::Write::Builder target, const op::Cas& op);
void encode(schema::Write::Builder target, const op::Transact& op);
void encode(schema::Write::Builder target, const op::LeaseGrant& op);
void encode(schema::Write::Builder target, const op::LeaseRevoke& op);
void encode(schema::Write::Builder target, const op::BreakLock& op);
void encode(schema::Write::Builder target, const AcquireWrite& op);
void encode(schema::Write::Builder target, const CancelWrite& op);
void encode(schema::Write::Builder target, const ReleaseWrite& op);
void encode(schema::Write::Builder target, const ProclaimWrite& op);

std::size_t bytes_of(const op::Put& op);
std::size_t bytes_of(const op::Delete& op);
std::size_t bytes_of(const op::Cas& op);
std::size_t bytes_of(const op::Transact& op);
std::size_t bytes_of(const op::LeaseGrant& op);
std::size_t bytes_of(const op::LeaseRevoke& op);
std::size_t bytes_of(const op::BreakLock& op);
std::size_t bytes_of(const AcquireWrite& op);
std::size_t bytes_of(const CancelWrite& op);
std::size_t bytes_of(const ReleaseWrite& op);
std::size_t bytes_of(const ProclaimWrite& op);

// The second argument only says which one.
Result<PutResult> decode(schema::WriteResult::Reader result, const op::Put&);
Result<DeleteResult> decode(schema::WriteResult::Reader result, const op::Delete&);
Result<CasResult> decode(schema::WriteResult::Reader result, const op::Cas&);
Result<TxnResult> decode(schema::WriteResult::Reader result, const op::Transact&);
Result<LeaseGrantResult> decode(schema::WriteResult::Reader result, const op::LeaseGrant&);
Status decode(schema::WriteResult::Reader result, const op::LeaseRevoke&);
Status decode(schema::WriteResult::Reader result, const op::BreakLock&);
Result<LockStanding> decode(schema::WriteResult::Reader result, const AcquireWrite&);
Result<LockStanding> decode(schema::WriteResult::Reader result, const CancelWrite&);
Status decode(schema::WriteResult::Reader result, const ReleaseWrite&);
Status decode(schema::WriteResult::Reader result, const ProclaimWrite&);

LockStanding to_standing(schema::LockAcquireResult::Reader result);

}  // namespace coord::internal

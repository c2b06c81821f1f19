// What applying a write gives, and what a read finds: the state machine's answers as values. The
// wire's shape of them is service/api's business.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "raft/base/error.h"
#include "raft/base/types.h"

namespace coord::service {

struct KeyValue {
  std::string key;
  std::string value;
  Revision create_revision;
  Revision mod_revision;
  std::uint64_t version = 0;
  LeaseId lease;

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// Elections are locks with a published value, in a namespace of their own.
struct LockName {
  bool election = false;
  std::string name;

  friend auto operator<=>(const LockName&, const LockName&) = default;
};

enum class LockMode : std::uint8_t { kExclusive = 0, kShared = 1 };

struct PutResult {
  std::optional<KeyValue> previous;
};
struct DeleteResult {
  std::uint64_t deleted = 0;
  std::vector<KeyValue> previous;
};
struct CompareAndSwapResult {
  bool succeeded = false;
  std::optional<KeyValue> current;
};

struct RangeResult {
  std::vector<KeyValue> items;
  std::uint64_t count = 0;
  bool more = false;
  std::string cursor;
  Revision revision;
  std::size_t scanned = 0;  // keys that were looked at, deleted ones too: what it has cost
};

struct TxnResult;
struct OperationResult {
  // increment: the new number; sequentialPut: the key
  std::variant<RangeResult, PutResult, DeleteResult, std::int64_t, std::string,
               std::vector<TxnResult>>  // exactly one; a vector because the type is recursive
      value;
};
struct TxnResult {
  bool succeeded = false;
  std::uint32_t failed_compare = 0;
  std::optional<KeyValue> met;
  std::uint64_t met_count = 0;
  std::vector<OperationResult> results;
};

struct LeaseGrantResult {
  LeaseId id;
  milliseconds ttl{0};
};
struct LeaseRevokeResult {};

struct Granted {
  LockToken token;
};
struct Queued {
  std::uint64_t ahead = 0;
};
struct NotQueued {};
using LockStanding = std::variant<Granted, Queued, NotQueued>;
struct LockAcquireResult {
  LockStanding standing;
};
struct LockCancelResult {
  LockStanding standing;
};
struct LockReleaseResult {};
struct LockBreakResult {};
struct ProclaimResult {};

struct WriteResult {
  // Of this write if it changed something, else of the state that it saw.
  Revision revision;
  std::variant<Error, PutResult, DeleteResult, CompareAndSwapResult, TxnResult, LeaseGrantResult,
               LeaseRevokeResult, LockAcquireResult, LockReleaseResult, LockCancelResult,
               ProclaimResult, LockBreakResult>
      value;

  bool failed() const { return std::holds_alternative<Error>(value); }
};

struct LeaseRecord {
  LeaseId id;
  milliseconds ttl{0};
  bool session = false;
  std::string name;
  std::string host;
  std::uint32_t pid = 0;
  std::uint64_t nonce = 0;
  std::uint64_t granted_at_ms = 0;  // wall clock of the leader that proposed the grant
  Index renewed_at;                 // the entry that granted it, or renewed it last
  std::uint64_t attached_keys = 0;
  std::vector<LockName> held;
};

struct LockHolder {
  LeaseId lease;
  LockToken token;  // zero for a waiter
  std::uint64_t since_ms = 0;
};
struct LockRecord {
  LockName name;
  LockMode mode = LockMode::kExclusive;  // of the holders
  std::vector<LockHolder> holders;
  std::vector<LockHolder> waiters;  // first come first
  std::string value;
  Revision revision;
};

struct MemberRecord {
  MemberId id;
  std::string name;
  std::string peer_address;
  std::string client_address;
};

}  // namespace coord::service

// The records in the tables: one format for both directions, and nobody else knows it. Each record
// begins with a version; numbers in values are little-endian, in table keys big-endian; `bytes` has
// its length (u32) before it, `rest` goes on to the end.
//
//   kMeta      "state"            version u8, applied term u64, applied index u64, digest u64,
//                                 revision u64, compacted u64, epoch u64, last sequential number
//                                 u64, last lease chosen u64, leases u64, change bytes u64
//              "configuration"    version u8, its entry's term u64, index u64, payload rest
//              "members"          version u8, index u64 of the entry that changed them last
//   kKeys      key                version u8, flags u8 (1: deleted), create revision u64, modified:
//                                 revision u64, number u32, offset u64; key version u64,
//                                 lease u64, value rest
//   kChanges   revision u64,      version u8, flags u8 (1: deleted, 2: the key existed before,
//              number u32         4: near), offset u64, create revision u64, previous: revision
//                                 u64, number u32; key version u64, lease u64, key bytes, value
//                                 rest
//   kReplaced  as kChanges        as kKeys
//   kLeases    lease u64          version u8, flags u8 (1: session), ttl u64 (ms), nonce u64,
//                                 granted at u64 (ms), renewed at u64 (index), attached keys u64,
//                                 pid u32, name bytes, host bytes
//   kLeaseKeys lease u64, kind u8 (0: key, 1: lock, 2: election), name rest -> nothing
//   kLocks     space u8 (0: lock, 1: election), name rest ->
//                                 version u8, mode u8, revision u64, value bytes, holders u32 times
//                                 place, waiters u32 times place
//              a place is         lease u64, token u64, since u64 (ms), mode u8, value bytes
//   kSessions  session u64        see reply_codec.h
//   kMembers   member u64         version u8, name bytes, peer address bytes, client address bytes
//   kRemoved   member u64 -> nothing
//
// Decoding trusts the tables to return what was put into them; a record that cannot be read means a
// damaged disk or a newer version's data, and the process stops.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "raft/core/types.h"
#include "service/state/results.h"
#include "service/state/tables.h"

namespace coord::service {

// One change: the revision and the number within it, from 0. At most one change of a key has the
// same revision: a transaction is one step, whatever it did in between.
struct ChangeId {
  Revision revision{};
  std::uint32_t number = 0;

  friend bool operator==(const ChangeId&, const ChangeId&) = default;
};

// What a key has. `value` is a view into whatever it was read from.
struct KeyRecord {
  bool deleted = false;  // a tombstone: all but `modified` and `offset` is zero
  Revision create_revision{};
  ChangeId modified{};
  std::uint64_t offset = 0;  // of that change
  std::uint64_t version = 0;
  LeaseId lease{};
  std::string_view value{};

  friend bool operator==(const KeyRecord&, const KeyRecord&) = default;
};

struct ChangeRecord {
  bool deleted = false;
  bool existed = false;  // the key had a record before, which was not a tombstone
  bool near = false;     // that record is what `previous` made, and nowhere else
  // How much all changes before this one take, since the first ever made: the bytes of their
  // records, but for each at least limits::kChangeBytesMin.
  std::uint64_t offset = 0;
  Revision create_revision{};
  ChangeId previous{};  // the change before, of the same key, a delete too; zero: none is kept
  std::uint64_t version = 0;
  LeaseId lease{};
  std::string_view key{};
  std::string_view value{};

  friend bool operator==(const ChangeRecord&, const ChangeRecord&) = default;
};

// A hold, or a place in the queue (then the token is zero).
struct LockPlace {
  LeaseId lease{};
  LockToken token{};
  std::uint64_t since_ms = 0;
  LockMode mode = LockMode::kExclusive;
  std::string value;  // of a candidate: what it publishes once it leads

  friend bool operator==(const LockPlace&, const LockPlace&) = default;
};
struct StoredLock {
  LockMode mode = LockMode::kExclusive;
  Revision revision{};
  std::string value;
  std::vector<LockPlace> holders;
  std::vector<LockPlace> waiters;

  friend bool operator==(const StoredLock&, const StoredLock&) = default;
};

// Everything that is one of its kind.
struct Meta {
  raft::LogId applied{};
  std::uint64_t digest = 0;
  Revision revision{};
  Revision compacted{};
  std::uint64_t epoch = 0;
  std::uint64_t last_sequential = 0;  // given out by a sequential put, of any prefix
  LeaseId last_lease{};               // that the state has chosen
  std::uint64_t leases = 0;           // how many there are
  std::uint64_t change_bytes = 0;     // the offset of the next change

  friend bool operator==(const Meta&, const Meta&) = default;
};

inline constexpr std::string_view kMetaKey = "state";

// The newest configuration entry that was applied. `payload` is a view into what it was read from.
struct ConfigurationRecord {
  raft::LogId at{};
  std::string_view payload{};

  friend bool operator==(const ConfigurationRecord&, const ConfigurationRecord&) = default;
};
inline constexpr std::string_view kConfigurationKey = "configuration";

// Since when the members, their addresses and names are what they are.
struct MembersRecord {
  Index at{};

  friend bool operator==(const MembersRecord&, const MembersRecord&) = default;
};
inline constexpr std::string_view kMembersKey = "members";

// Each replaces what `out` held.
void encode(const KeyRecord& record, std::string& out);
void encode(const ChangeRecord& record, std::string& out);
void encode(const LeaseRecord& record, std::string& out);  // without `id` and `held`
void encode(const StoredLock& record, std::string& out);
void encode(const MemberRecord& record, std::string& out);  // without `id`
void encode(const Meta& record, std::string& out);
void encode(const ConfigurationRecord& record, std::string& out);
void encode(const MembersRecord& record, std::string& out);

// False if the bytes are not such a record.
[[nodiscard]] bool decode(std::string_view bytes, KeyRecord& record);
[[nodiscard]] bool decode(std::string_view bytes, ChangeRecord& record);
[[nodiscard]] bool decode(std::string_view bytes, LeaseRecord& record);
[[nodiscard]] bool decode(std::string_view bytes, StoredLock& record);
[[nodiscard]] bool decode(std::string_view bytes, MemberRecord& record);
[[nodiscard]] bool decode(std::string_view bytes, Meta& record);
[[nodiscard]] bool decode(std::string_view bytes, ConfigurationRecord& record);
[[nodiscard]] bool decode(std::string_view bytes, MembersRecord& record);

// Stops the process: a table returned something else than was put into it.
[[noreturn]] void unreadable_record(Table table, std::string_view key);

template <class Record>
Record read_record(Table table, std::string_view key, std::string_view bytes) {
  Record record;
  if (!decode(bytes, record)) unreadable_record(table, key);
  return record;
}

// Table keys.
class ChangeKey {
 public:
  explicit ChangeKey(ChangeId id);
  operator std::string_view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, 12> bytes_;
};
ChangeId change_id(std::string_view table_key);

// Of kLeases, kSessions and kMembers, and the beginning of those of kLeaseKeys.
std::string number_key(std::uint64_t number);
std::uint64_t number_of_key(std::string_view table_key);

enum class HoldingKind : std::uint8_t { kKey = 0, kLock = 1, kElection = 2 };
std::string holding_key(LeaseId lease, HoldingKind kind, std::string_view name);
// What stands behind the lease and the kind.
std::string_view holding_name(std::string_view table_key);

std::string lock_key(const LockName& name);
LockName lock_of_key(std::string_view table_key);

}  // namespace coord::service

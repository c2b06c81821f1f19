// What a client says and is told: keys, results, options, as plain values. Nothing here refers to a
// connection or a thread; copy, move and compare freely.
//
// Options are aggregates, made for designated initializers:
//   client.put("key", "value", {.lease = lease, .guard = lock.guard()});
// A `timeout` of zero means the client's own (ClientOptions::timeout).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "coord/option_value.h"
#include "raft/base/error.h"
#include "raft/base/result.h"
#include "raft/base/types.h"

namespace coord {

// ------------------------------------------------------------------------------------------------
// Keys

struct KeyValue {
  std::string key = {};
  std::string value = {};
  Revision create_revision = {};
  Revision mod_revision = {};
  std::uint64_t version = 0;  // 1 when created, one more with each put
  LeaseId lease = {};         // zero: none

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// Keys are byte strings, ordered bytewise.
class KeyRange {
 public:
  enum class Kind : std::uint8_t { kKey, kPrefix, kBetween, kFrom };

  static KeyRange key(std::string key) { return {Kind::kKey, std::move(key), {}}; }
  // Every key that starts with `prefix`; empty: every key.
  static KeyRange prefix(std::string prefix) { return {Kind::kPrefix, std::move(prefix), {}}; }
  // begin <= key < end
  static KeyRange between(std::string begin, std::string end) {
    return {Kind::kBetween, std::move(begin), std::move(end)};
  }
  // begin <= key
  static KeyRange from(std::string begin) { return {Kind::kFrom, std::move(begin), {}}; }
  static KeyRange all() { return prefix({}); }

  Kind kind() const { return kind_; }
  const std::string& begin() const { return begin_; }
  const std::string& end() const { return end_; }  // kBetween only

  friend bool operator==(const KeyRange&, const KeyRange&) = default;

 private:
  KeyRange(Kind kind, std::string begin, std::string end)
      : kind_(kind), begin_(std::move(begin)), end_(std::move(end)) {}

  Kind kind_;
  std::string begin_ = {};
  std::string end_ = {};
};

// Who answered, and how far it had come.
struct ResponseHeader {
  ClusterId cluster = {};
  MemberId member = {};
  Revision revision = {};   // newest that the answering member had applied
  std::uint64_t epoch = 0;  // revisions of different epochs cannot be compared
  Term term = {};
};

// Locks and elections have separate namespaces.
struct LockName {
  std::string name = {};
  bool election = false;

  friend bool operator==(const LockName&, const LockName&) = default;
};

// A condition on any write: it applies only while `token` is that of the lock's holder. Given by
// Lock::guard() and Leadership::guard(). A token of zero is no condition.
struct Guard {
  LockName lock;
  LockToken token = {};
};

// What a write may do when its answer does not come.
enum class Retry : std::uint8_t {
  // As ClientOptions::exactly_once says.
  kDefault,
  // Numbered in a session, so that it is repeated until it is answered and applies once.
  kExactlyOnce,
  // Sent once. If the answer is lost, its outcome is unknown.
  kNever,
};

// ------------------------------------------------------------------------------------------------
// Writes

struct PutOptions {
  LeaseId lease = {};  // attach to; zero: none (a put always replaces the attachment)
  bool want_previous = false;
  OptionValue<Guard> guard = {};
  milliseconds timeout{0};
  Retry retry = Retry::kDefault;
};
struct PutResult {
  Revision revision = {};
  std::optional<KeyValue> previous = {};  // if wanted and there was one
};

struct DeleteOptions {
  bool want_previous = false;
  OptionValue<Guard> guard = {};
  milliseconds timeout{0};
  Retry retry = Retry::kDefault;
};
struct DeleteResult {
  Revision revision = {};
  std::uint64_t deleted = 0;
  std::vector<KeyValue> previous = {};
};

// What compare-and-swap expects to find.
struct Expect {
  struct Absent {};
  std::variant<Absent, std::string, Revision> what = Absent{};

  static Expect absent() { return {}; }
  static Expect value(std::string value) { return {std::move(value)}; }
  static Expect mod_revision(Revision revision) { return {revision}; }
};
struct CasOptions {
  LeaseId lease = {};
  OptionValue<Guard> guard = {};
  milliseconds timeout{0};
  Retry retry = Retry::kDefault;
};
struct CasResult {
  Revision revision = {};
  bool succeeded = false;
  std::optional<KeyValue> current = {};  // when it did not succeed: what was there
};

struct TxnOptions {
  OptionValue<Guard> guard = {};
  milliseconds timeout{0};
  Retry retry = Retry::kDefault;
};

// ------------------------------------------------------------------------------------------------
// Reads

// How new an answer has to be. What it was in truth is told with the result, and never less.
class Consistency {
 public:
  enum class Kind : std::uint8_t { kLinearizable, kAtLeast, kMaxStaleness, kLocal };

  Consistency() = default;
  static Consistency linearizable() { return {}; }
  // Whatever a member has, once it has applied that revision.
  static Consistency at_least(Revision revision) {
    Consistency wanted;
    wanted.kind_ = Kind::kAtLeast;
    wanted.revision_ = revision;
    return wanted;
  }
  // With all that was acknowledged until that long ago. A member that does not know that of itself
  // asks the leader, and so knows it for those that come next.
  static Consistency max_staleness(milliseconds staleness) {
    Consistency wanted;
    wanted.kind_ = Kind::kMaxStaleness;
    wanted.staleness_ = staleness;
    return wanted;
  }
  // Whatever a member has, even if it is cut off from all others.
  static Consistency local() {
    Consistency wanted;
    wanted.kind_ = Kind::kLocal;
    return wanted;
  }

  Kind kind() const { return kind_; }
  Revision revision() const { return revision_; }        // kAtLeast
  milliseconds staleness() const { return staleness_; }  // kMaxStaleness

  friend bool operator==(const Consistency&, const Consistency&) = default;

 private:
  Kind kind_ = Kind::kLinearizable;
  Revision revision_ = {};
  milliseconds staleness_{0};
};

struct GetOptions {
  Revision revision = {};  // zero: the newest
  Consistency consistency = {};
  milliseconds timeout{0};
};
struct GetResult {
  std::optional<KeyValue> record = {};  // nothing: no such key
  Revision revision = {};               // that was read
  Consistency got;
  ResponseHeader header;

  bool found() const { return record.has_value(); }
};

struct RangeOptions {
  Revision revision = {};  // zero: the newest
  std::size_t limit = 0;   // zero: as many as a response may hold
  OptionValue<std::string> cursor =
      {};  // from an earlier result: go on there, at the same revision
  bool keys_only = false;
  bool count_only = false;
  Consistency consistency = {};
  milliseconds timeout{0};
};
struct RangeResult {
  std::vector<KeyValue> items = {};
  std::uint64_t count = 0;  // keys in the range; with `more`, perhaps only those met so far
  bool more = false;        // go on with `cursor`
  std::string cursor = {};
  Revision revision = {};  // that was read
  Consistency got;
  ResponseHeader header;
};

// ------------------------------------------------------------------------------------------------
// Leases and sessions

struct LeaseGrantOptions {
  LeaseId id = {};                     // zero: one is chosen at random
  OptionValue<std::string> name = {};  // who holds it, for people
  milliseconds timeout{0};
};
struct LeaseGrantResult {
  Revision revision = {};
  LeaseId id = {};
  milliseconds ttl{0};
};
struct LeaseInfo {
  LeaseId id = {};
  milliseconds ttl{0};
  milliseconds remaining{0};  // as the leader sees it
  bool session = false;
  std::string name = {};
  std::string host = {};
  std::uint32_t pid = 0;
  std::uint64_t attached_keys = 0;
  std::vector<LockName> held = {};
  std::uint64_t granted_at_ms = 0;     // wall clock of the leader that granted it, since 1970
  std::vector<std::string> keys = {};  // lease_info() only
};

// ------------------------------------------------------------------------------------------------
// Locks and elections, as others see them

enum class LockMode : std::uint8_t { kExclusive = 0, kShared = 1 };

struct LockHolder {
  LeaseId session = {};
  LockToken token = {};        // zero for one who waits
  std::uint64_t since_ms = 0;  // wall clock of the leader that granted it, since 1970
  std::string name = {};
  std::string host = {};
  std::uint32_t pid = 0;
};
struct LockInfo {
  LockName lock;
  LockMode mode = LockMode::kExclusive;
  std::vector<LockHolder> holders = {};
  std::vector<LockHolder> waiters = {};  // in order
  std::string value = {};                // elections: what the leader published
  Revision revision = {};                // of the last change
};
// Who leads an election.
struct LeaderInfo {
  std::string election = {};
  std::string value = {};
  LockToken token = {};
  LeaseId session = {};
  std::string name = {};
  std::string host = {};
  std::uint32_t pid = 0;
};

// ------------------------------------------------------------------------------------------------
// The cluster

enum class MemberRole : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader, kLearner };
// "follower", "precandidate", "candidate", "leader", "learner"
std::string_view to_string(MemberRole role);

struct MemberInfo {
  MemberId id = {};
  std::string name = {};
  std::string peer_address = {};
  std::string client_address = {};  // empty until the member has said it
  bool learner = false;
};
struct MembersResult {
  std::vector<MemberInfo> members = {};
  MemberId leader = {};  // zero: none known to the answering member
  ResponseHeader header;
};
struct MemberStatus {
  MemberInfo info;
  MemberRole role = MemberRole::kFollower;
  Term term = {};
  MemberId leader = {};
  Index commit_index = {};
  Index applied_index = {};
  Index last_index = {};
  Revision revision = {};
  Revision compact_revision = {};
  std::string version = {};
  milliseconds uptime{0};
  std::uint64_t log_bytes = 0;
  std::uint64_t state_bytes = 0;
  std::uint64_t leases = 0;
  std::uint64_t watches = 0;
  std::uint64_t connections = 0;
  std::uint64_t digest = 0;
  microseconds loop_stall_max{0};
  ResponseHeader header;
};
struct HealthResult {
  bool healthy = false;
  std::string reason = {};  // when it is not
  ResponseHeader header;
};

// Who answers at a peer address, as it says itself.
struct MemberIdentity {
  ClusterId cluster = {};
  MemberId id = {};
  std::string name = {};
  std::string client_address = {};
  std::string version = {};
  bool empty = false;  // it has no data and waits to be added
};
// What a change of the members came to.
struct MemberChanged {
  MemberId member = {};  // which one it was about
  // False: it was so already. Also true where it may have been made by an attempt of this call of
  // which the answer was lost.
  bool made = false;
};
enum class Replication : std::uint8_t { kProbe, kReplicate, kSnapshot };
// "probe", "replicate", "snapshot"
std::string_view to_string(Replication replication);
// How far a member's log has come, as the leader sees it.
struct MemberProgress {
  MemberId id = {};
  Index match_index = {};  // its log is known to be the leader's up to there
  Replication replication = Replication::kProbe;
  bool caught_up = false;        // it may be made a voter
  bool recently_active = false;  // the leader has heard from it within an election timeout
};
struct MembersProgress {
  Index last_index = {};  // of the leader's log
  std::vector<MemberProgress> members = {};
  ResponseHeader header;
};

// ------------------------------------------------------------------------------------------------
// Addresses

// "HOST:PORT,HOST:PORT" (spaces allowed) as a list; kInvalidArgument names the one that is wrong.
Result<std::vector<std::string>> parse_endpoints(std::string_view list);

}  // namespace coord

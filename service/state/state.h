// The replicated state machine: keys with revisions, leases, sessions, locks, elections. The same
// log gives the same state on every member, bit for bit: no clock (time is the stamp in a command),
// no randomness, no limits that differ between members, no I/O. Everything that lasts is in Tables.
//
// Loop thread. Reads may be made at any time between two apply() calls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "raft/base/limits.h"
#include "raft/base/result.h"
#include "raft/core/types.h"
#include "service/state/results.h"
#include "service/state/tables.h"

namespace coord::service {

// Which keys are meant. Views: valid as long as what they were made from.
struct KeyRange {
  enum class Kind : std::uint8_t { kSingle, kPrefix, kHalfOpen, kToEnd };
  Kind kind = Kind::kSingle;
  std::string_view begin{};
  std::string_view end{};  // kHalfOpen only

  bool contains(std::string_view key) const;
};

// One change of one key, as watches see it. Views: valid during the call that passes it.
struct Change {
  bool deleted = false;
  std::string_view key{};
  std::string_view value{};
  Revision create_revision{};
  Revision mod_revision{};
  std::uint32_t number = 0;  // among the changes of that revision
  std::uint64_t version = 0;
  LeaseId lease{};
  Revision previous_mod_revision{};  // zero: the key did not exist
};

// What applying does to the outside of the state: told in order, during apply(). All of it is the
// same on every member; what a member does with it (answering, watching, timing) is its own affair.
class StateObserver {
 public:
  virtual ~StateObserver() = default;
  // All changes of one revision, together and in order of the writes.
  virtual void on_changes(Revision revision, std::span<const Change> changes) = 0;
  virtual void on_lease_granted(LeaseId lease, milliseconds ttl) = 0;
  virtual void on_lease_renewed(LeaseId lease) = 0;
  virtual void on_lease_ended(LeaseId lease) = 0;
  // Holders or queue of that lock have changed.
  virtual void on_lock_changed(const LockName& name) = 0;
  virtual void on_member_published(const MemberRecord& member) = 0;
  virtual void on_compacted(Revision oldest_kept) = 0;
  // Told by reload(), and by nothing else: the state has become a later one that came from another
  // member. What happened in between is not told; whatever was derived from the state has to be
  // taken from it anew.
  virtual void on_reloaded() = 0;
};

// Answers to a command, in order.
struct CommandResults {
  std::vector<WriteResult> writes;                   // Command.writes
  std::vector<std::optional<milliseconds>> renewed;  // Command.renew: the TTL, nothing if unknown
  // The command as a whole was not understood (kUnsupported: a newer version wrote it) and had no
  // effect. Each of its writes, as far as they can be told, has this error too.
  std::optional<Error> failure = {};
};

// Where the state is in the log. Saved with the tables by save(); what a restart begins from.
struct StatePosition {
  raft::LogId applied;
  std::uint64_t digest = 0;
};

// The configuration in force where the state is: the payload of the newest configuration entry
// that was applied. Who takes part is decided when an entry is appended (Raft §4.1); this is what a
// snapshot has to carry in the place of the entries before it.
struct AppliedConfiguration {
  raft::LogId at;
  Bytes payload;

  friend bool operator==(const AppliedConfiguration&, const AppliedConfiguration&) = default;
};

struct RangeQuery {
  KeyRange range{};
  Revision revision{};        // zero: the newest
  std::size_t limit = 0;      // zero: no limit but `bytes_max`
  std::string_view cursor{};  // from an earlier result
  bool keys_only = false;
  bool count_only = false;
  std::size_t bytes_max = 0;
  // The scan stops after that many keys were looked at, with `more` and a cursor; zero: no bound.
  std::size_t scan_max = 0;
};

// It decides what an applied command does, so it is the same on every member; other values are for
// tests.
struct HistoryOptions {
  std::uint64_t near_bytes = limits::kNearBytes;  // what is near: keyspace.h
};

struct CompactionStep {
  Revision line;
  std::size_t changes = 0;  // that are before it
};

class State {
 public:
  // Loads what `tables` hold; empty tables are the empty state.
  State(Tables& tables, StateObserver& observer, HistoryOptions history = {});
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // The tables hold another state now, one that is ahead (Store::replace()): takes from them all
  // that is kept in memory, and tells the observer.
  void reload();

  // Applies one entry, of any type, at the next index. `command` is an aligned, flat Cap'n Proto
  // message (schema/log.capnp) for a command, and ignored otherwise. `results` is filled if it is
  // not null: who has no one waiting for an answer passes null, which changes nothing else.
  void apply(const raft::Entry& entry, CommandResults* results);

  StatePosition position() const;
  // Writes what is kept in memory for speed (sessions' replies, position) into the tables. To be
  // called before the tables are frozen for a flush; without effect on the state.
  void save();

  Revision revision() const;
  Revision compacted() const;  // the oldest revision that can be read; zero: all of them
  std::uint64_t epoch() const;
  // How far a compaction may go that is to take at most so many changes, and about so many bytes,
  // off the history from `from` on, or what one revision has: no further than `target`.
  CompactionStep compaction_step(Revision from, Revision target, std::size_t changes_max,
                                 std::uint64_t bytes_max) const;

  // Errors: kEmptyKey, kReversedRange, kFutureRevision, kCompacted.
  Result<RangeResult> range(const RangeQuery& query) const;

  // Changes from `from` on, in order, whole revisions only; stops before the first revision that
  // would pass `bytes_max` (but hands over at least one). Returns the next revision to ask for.
  // Error kCompacted, with the oldest revision kept, if `from` is older.
  Result<Revision> changes_since(
      Revision from, std::size_t bytes_max,
      const std::function<void(Revision, std::span<const Change>)>& visit) const;
  // What the key of that change had before it; nothing if it did not exist, or if the change is
  // before the compaction line by now.
  std::optional<KeyValue> previous_of(const Change& change) const;

  std::optional<LeaseRecord> lease(LeaseId id) const;
  std::vector<std::string> lease_keys(LeaseId id) const;
  std::vector<LeaseRecord> leases() const;
  std::size_t lease_count() const;

  std::optional<LockRecord> lock(const LockName& name) const;
  LockStanding lock_standing(const LockName& name, LeaseId lease) const;
  // Locks (or elections) whose name starts with `prefix`, after `cursor`, at most `limit`.
  std::vector<LockRecord> locks(bool elections, std::string_view prefix, std::string_view cursor,
                                std::size_t limit) const;

  // What the members have published, in the order of their numbers.
  std::vector<MemberRecord> members() const;
  // The index of the entry that last changed who takes part or what members have published: the
  // same on every member that has applied it.
  Index members_version() const;
  // It was in the configuration once and is not any more.
  bool was_removed(MemberId member) const;
  // Nothing: the log has had no configuration entry.
  std::optional<AppliedConfiguration> configuration() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::service

// The keys and their history: three tables that together answer for every revision from the
// compaction line on, the oldest one that can be read and watched.
//
// - keys: the newest record of each key; a tombstone for a deleted one, until the line passes it.
// - changes: every change since the line, each with the change before of the same key. If from that
//   one to this there are no more than HistoryOptions::near_bytes of changes, it is near, and what
//   this change replaced is read there. So that it is found, as much of the changes before the line
//   is kept.
// - replaced: for each change since the line whose key had a record before that is not near: that
//   record.
//
// `changes` and `replaced` are queues, so that a compaction costs no page that lies by itself,
// however many keys there are, but those of the tombstones that go. And where the same keys change
// all the time, no value is kept twice. A key changes at most once in a revision.
//
// A write makes its changes (put, erase, ...) and then finish()es: they share the next revision.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/state/lease_table.h"
#include "service/state/records.h"
#include "service/state/state.h"
#include "service/state/table_writer.h"

namespace coord::service {

class Keyspace {
 public:
  Keyspace(TableWriter& writer, LeaseTable& leases, StateObserver& observer, HistoryOptions history,
           const Meta& meta)
      : writer_(writer),
        leases_(leases),
        observer_(observer),
        history_(history),
        revision_(meta.revision),
        compacted_(meta.compacted),
        change_bytes_(meta.change_bytes) {}

  const Tables& tables() const { return writer_.tables(); }
  Revision revision() const { return revision_; }
  Revision compacted() const { return compacted_; }
  std::uint64_t change_bytes() const { return change_bytes_; }
  HistoryOptions history() const { return history_; }
  // What the write in progress takes, if it changes anything.
  Revision next_revision() const { return revision_.next(); }

  // The newest record, nothing for a deleted key. Its value is valid until the next change.
  std::optional<KeyRecord> find(std::string_view key) const;

  // Changes, under next_revision(). Keys and values must stay valid until finish(), and be no views
  // into the tables. The lease, if there is one, must exist.
  void put(std::string_view key, std::string_view value, LeaseId lease);
  // As if it had been erased just before: it counts from 1 again, and was created now.
  void put_anew(std::string_view key, std::string_view value, LeaseId lease);
  // Without effect if the key does not exist.
  void erase(std::string_view key);
  // The outcome of several puts and erases in one; `modified` is ignored.
  void set(std::string_view key, const KeyRecord& record);

  // Ends the write: if there were changes, the next revision is the newest one now, and the
  // observer is told.
  void finish();

  // See State::compaction_step().
  CompactionStep compaction_step(Revision from, Revision target, std::size_t changes_max,
                                 std::uint64_t bytes_max) const;
  // Moves the line, in one go. Without effect if `line` is not ahead of it, or is in the future.
  void compact(Revision line);

 private:
  std::optional<KeyRecord> newest(std::string_view key) const;
  void change(std::string_view key, const KeyRecord& record, const std::optional<KeyRecord>& old);
  void move_attachment(std::string_view key, LeaseId from, LeaseId to);
  // To the change that is made next.
  bool is_near(const KeyRecord& record) const {
    return change_bytes_ - record.offset <= history_.near_bytes;
  }
  // Forgets what the changes before the line replaced.
  void pass_changes(Revision line);
  // Those that are near to no change from the line on.
  void drop_changes(Revision line);

  TableWriter& writer_;
  LeaseTable& leases_;
  StateObserver& observer_;
  const HistoryOptions history_;
  Revision revision_;
  Revision compacted_;
  std::uint64_t change_bytes_;
  std::vector<Change> changes_;  // of the write in progress
  std::string buffer_;
};

// The live keys of a range in their order, as of now. A change of any table makes it unusable.
class LiveKeys {
 public:
  LiveKeys(const Tables& tables, const KeyRange& range);

  bool valid() const { return valid_; }
  std::string_view key() const { return cursor_->key(); }
  const KeyRecord& record() const { return record_; }
  void next();

 private:
  void settle();

  KeyRange range_;
  std::unique_ptr<Cursor> cursor_;
  KeyRecord record_;
  bool valid_ = false;
};

KeyValue to_key_value(std::string_view key, const KeyRecord& record);

}  // namespace coord::service

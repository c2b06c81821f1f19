// Keyspace::compact: taking changes off the front of the history.
#include <algorithm>
#include <utility>

#include "service/state/keyspace.h"

namespace coord::service {

namespace {

// Changes are read in portions, because a write to a table ends every view into it.
constexpr std::size_t kPortion = 256;

}  // namespace

struct OldChange {
  ChangeId id;
  bool existed = false;
  bool deleted = false;
  std::string key;  // of a delete
};

namespace {

// The oldest changes from `from` on that are before `line`. The front of the table is passed over
// by its key: what was erased there may cost a scan of the table's memory.
std::vector<OldChange> oldest_changes(const Tables& tables, ChangeId from, Revision line) {
  std::vector<OldChange> changes;
  const auto cursor = tables.seek(Table::kChanges, ChangeKey(from));
  for (; cursor->valid() && changes.size() < kPortion; cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    if (id.revision >= line) break;
    const auto record = read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value());
    changes.push_back(
        {id, record.existed, record.deleted, std::string(record.deleted ? record.key : "")});
  }
  return changes;
}

}  // namespace

Revision Keyspace::compaction_step(Revision from, Revision target, std::size_t changes_max) const {
  const Revision first = std::max(from, compacted_);
  if (target <= first) return target;
  std::size_t changes = 0;
  Revision oldest;
  const auto cursor = tables().seek(Table::kChanges, ChangeKey({first, 0}));
  for (; cursor->valid(); cursor->next()) {
    const Revision revision = change_id(cursor->key()).revision;
    if (revision >= target) break;
    if (oldest.is_zero()) oldest = revision;
    // A line stands before a whole revision, and moves by one at least.
    if (++changes > changes_max && revision != oldest) return revision;
  }
  return target;
}

void Keyspace::compact(Revision line) {
  if (line <= compacted_ || line > revision_) return;
  ChangeId from{compacted_, 0};
  while (true) {
    const std::vector<OldChange> changes = oldest_changes(tables(), from, line);
    if (changes.empty()) break;
    for (const OldChange& change : changes) forget(change);
    from = changes.back().id;
    ++from.number;
  }
  compacted_ = line;
  observer_.on_compacted(line);
}

void Keyspace::forget(const OldChange& change) {
  const ChangeKey id(change.id);
  writer_.erase(Table::kChanges, id);
  if (change.existed) writer_.erase(Table::kReplaced, id);
  if (!change.deleted) return;
  const auto record = newest(change.key);
  if (record && record->modified == change.id) writer_.erase(Table::kKeys, change.key);
}

}  // namespace coord::service

// Keyspace::compact: taking changes off the front of the history.
#include <algorithm>
#include <utility>

#include "service/state/keyspace.h"

namespace coord::service {

namespace {

// Changes are read in portions, because a write to a table ends every view into it.
constexpr std::size_t kPortion = 256;
constexpr std::size_t kPortionBytes = 1024 * 1024;

}  // namespace

struct OldChange {
  ChangeId id;
  bool deleted = false;
  Revision create_revision;
  std::uint64_t version = 0;
  LeaseId lease;
  std::string key;
  std::string value;
};

namespace {

// The oldest changes from `from` on that are before `line`. The front of the table is passed over
// by its key: what was erased there may cost a scan of the table's memory.
std::vector<OldChange> oldest_changes(const Tables& tables, ChangeId from, Revision line) {
  std::vector<OldChange> changes;
  std::size_t bytes = 0;
  const auto cursor = tables.seek(Table::kChanges, ChangeKey(from));
  for (; cursor->valid() && changes.size() < kPortion && bytes < kPortionBytes; cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    if (id.revision >= line) break;
    const auto record = read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value());
    changes.push_back({id, record.deleted, record.create_revision, record.version, record.lease,
                       std::string(record.key), std::string(record.value)});
    bytes += cursor->value().size();
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
  writer_.erase(Table::kChanges, ChangeKey(change.id));
  const auto record = newest(change.key);
  const bool is_newest = record && record->modified == change.id;
  if (is_newest || change.deleted) {
    // What is still the newest needs no base, and what did not exist has none.
    writer_.erase(Table::kBases, change.key);
    if (is_newest && change.deleted) writer_.erase(Table::kKeys, change.key);
    return;
  }
  encode(KeyRecord{.create_revision = change.create_revision,
                   .modified = change.id,
                   .version = change.version,
                   .lease = change.lease,
                   .value = change.value},
         buffer_);
  writer_.put(Table::kBases, change.key, buffer_);
}

}  // namespace coord::service

// Keyspace::compact: taking the front off the history.
#include <algorithm>
#include <utility>

#include "service/state/keyspace.h"

namespace coord::service {

namespace {

// Changes are read in portions, because a write to a table ends every view into it.
constexpr std::size_t kPortion = 256;

struct OldChange {
  ChangeId id;
  bool has_replaced = false;  // a record in that table
  bool deleted = false;
  std::string key;  // of a delete
};

// The first changes from `from` on, as long as `wanted`. The front of the table is passed over by
// its key: what was erased there may cost a scan of the table's memory.
template <class Wanted>
std::vector<OldChange> read_changes(const Tables& tables, ChangeId from, const Wanted& wanted) {
  std::vector<OldChange> changes;
  const auto cursor = tables.seek(Table::kChanges, ChangeKey(from));
  for (; cursor->valid() && changes.size() < kPortion; cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    const auto record = read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value());
    if (!wanted(id, record)) break;
    changes.push_back({id, record.existed && !record.near, record.deleted,
                       std::string(record.deleted ? record.key : "")});
  }
  return changes;
}

ChangeId after(ChangeId id) {
  return {id.revision, id.number + 1};
}

}  // namespace

CompactionStep Keyspace::compaction_step(Revision from, Revision target, std::size_t changes_max,
                                         std::uint64_t bytes_max) const {
  const Revision first = std::max(from, compacted_);
  if (target <= first) return {target, 0};
  std::size_t changes = 0;
  Revision oldest;
  std::uint64_t begin = 0;
  CompactionStep last;  // that is possible
  const auto cursor = tables().seek(Table::kChanges, ChangeKey({first, 0}));
  for (; cursor->valid(); cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    if (id.revision >= target) break;
    const std::uint64_t offset =
        read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value()).offset;
    if (oldest.is_zero()) oldest = id.revision, begin = offset;
    // A line stands before a whole revision, and moves by one at least.
    if (last.line != id.revision) last = {id.revision, changes};
    ++changes;
    const bool too_many = changes > changes_max || offset - begin > bytes_max;
    if (too_many && id.revision != oldest) return last;
  }
  return {target, changes};
}

void Keyspace::compact(Revision line) {
  if (line <= compacted_ || line > revision_) return;
  pass_changes(line);
  drop_changes(line);
  compacted_ = line;
  observer_.on_compacted(line);
}

// Nobody asks any more what they replaced, or whether a key was there before it was deleted.
void Keyspace::pass_changes(Revision line) {
  ChangeId from{compacted_, 0};
  while (true) {
    const auto changes = read_changes(
        tables(), from, [&](ChangeId id, const ChangeRecord&) { return id.revision < line; });
    if (changes.empty()) return;
    for (const OldChange& change : changes) {
      if (change.has_replaced) writer_.erase(Table::kReplaced, ChangeKey(change.id));
      if (!change.deleted) continue;
      const auto record = newest(change.key);
      if (record && record->modified == change.id) writer_.erase(Table::kKeys, change.key);
    }
    from = after(changes.back().id);
  }
}

void Keyspace::drop_changes(Revision line) {
  const auto first = tables().seek(Table::kChanges, ChangeKey({line, 0}));
  CHECK(first->valid(), "the revision {} changed nothing", line);
  const std::uint64_t offset =
      read_record<ChangeRecord>(Table::kChanges, first->key(), first->value()).offset;
  const auto is_far = [&](ChangeId, const ChangeRecord& change) {
    return change.offset < offset && offset - change.offset > history_.near_bytes;
  };
  while (true) {
    const auto changes = read_changes(tables(), first_change_, is_far);
    if (changes.empty()) return;
    for (const OldChange& change : changes) writer_.erase(Table::kChanges, ChangeKey(change.id));
    first_change_ = after(changes.back().id);
  }
}

}  // namespace coord::service

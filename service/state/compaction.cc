// Keyspace::compact: taking the front off the history.
#include <algorithm>
#include <utility>

#include "service/state/keyspace.h"

namespace coord::service {

namespace {

// Changes are read in portions, because a write to a table ends every view into it.
constexpr std::size_t kPortion = 256;
// So many changes at least may be dropped with a line that moves, and twice as many as it passed:
// more than go on the whole, however large the ones and small the others, and so few that no move
// of the line takes much longer than what it passed. Part of what an applied command does.
constexpr std::size_t kDroppedMin = 512;

struct OldChange {
  ChangeId id;
  bool has_replaced = false;  // a record in that table
  bool deleted = false;
  std::string key;  // of a delete
};

// The first changes from `from` on, as long as `wanted`. The front of the table is passed over by
// its key: what was erased there may cost a scan of the table's memory.
template <class Wanted>
std::vector<OldChange> read_changes(const Tables& tables, ChangeId from, std::size_t max,
                                    const Wanted& wanted) {
  std::vector<OldChange> changes;
  const auto cursor = tables.seek(Table::kChanges, ChangeKey(from));
  for (; cursor->valid() && changes.size() < max; cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    const auto record = read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value());
    if (!wanted(id, record)) break;
    changes.push_back({id, record.existed && !record.near, record.deleted,
                       std::string(record.deleted ? record.key : "")});
  }
  return changes;
}

ChangeId behind(ChangeId id) {
  return {id.revision, id.number + 1};
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
  const std::size_t passed = pass_changes(line);
  drop_changes(line, std::max(2 * passed, kDroppedMin));
  compacted_ = line;
  observer_.on_compacted(line);
}

// Nobody asks any more what they replaced, or whether a key was there before it was deleted.
std::size_t Keyspace::pass_changes(Revision line) {
  std::size_t passed = 0;
  ChangeId from{compacted_, 0};
  while (true) {
    const auto changes =
        read_changes(tables(), from, kPortion,
                     [&](ChangeId id, const ChangeRecord&) { return id.revision < line; });
    if (changes.empty()) return passed;
    for (const OldChange& change : changes) {
      if (change.has_replaced) writer_.erase(Table::kReplaced, ChangeKey(change.id));
      if (!change.deleted) continue;
      const auto record = newest(change.key);
      if (record && record->modified == change.id) writer_.erase(Table::kKeys, change.key);
    }
    passed += changes.size();
    from = behind(changes.back().id);
  }
}

void Keyspace::drop_changes(Revision line, std::size_t max) {
  const auto first = tables().seek(Table::kChanges, ChangeKey({line, 0}));
  CHECK(first->valid(), "the revision {} changed nothing", line);
  const std::uint64_t offset =
      read_record<ChangeRecord>(Table::kChanges, first->key(), first->value()).offset;
  const auto is_far = [&](ChangeId, const ChangeRecord& change) {
    return change.offset < offset && offset - change.offset > history_.near_bytes;
  };
  while (max > 0) {
    const auto changes = read_changes(tables(), first_change_, std::min(max, kPortion), is_far);
    if (changes.empty()) return;
    for (const OldChange& change : changes) writer_.erase(Table::kChanges, ChangeKey(change.id));
    max -= changes.size();
    first_change_ = behind(changes.back().id);
  }
}

}  // namespace coord::service

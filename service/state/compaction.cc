// Keyspace::compact: taking the front off the history.
#include <algorithm>
#include <string>
#include <vector>

#include "service/state/keyspace.h"

namespace coord::service {

namespace {

struct Deleted {
  std::string key;
  ChangeId by;
};

// Of the changes from `from` on and before the line. A portion of them, because a write to a table
// ends every view into it, and one revision may have any number of deletes.
std::vector<Deleted> read_deleted(const Tables& tables, ChangeId from, Revision line) {
  constexpr std::size_t kPortion = 256;
  std::vector<Deleted> deleted;
  const auto cursor = tables.seek(Table::kChanges, ChangeKey(from));
  for (; cursor->valid() && deleted.size() < kPortion; cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    if (id.revision >= line) break;
    const auto change = read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value());
    if (change.deleted) deleted.push_back({std::string(change.key), id});
  }
  return deleted;
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
  // The next command goes on there.
  const ChangeKey next({line, 0});
  tables().expect_reads(Table::kChanges, next);
  tables().expect_reads(Table::kReplaced, next);
  compacted_ = line;
  observer_.on_compacted(line);
}

// Nobody asks any more what they replaced, or whether a key was there before it was deleted.
void Keyspace::pass_changes(Revision line) {
  ChangeId from{compacted_, 0};
  while (true) {
    const std::vector<Deleted> deleted = read_deleted(tables(), from, line);
    if (deleted.empty()) break;
    for (const auto& [key, by] : deleted) {
      const auto record = newest(key);
      if (record && record->modified == by) writer_.erase(Table::kKeys, key);
    }
    from = {deleted.back().by.revision, deleted.back().by.number + 1};
  }
  writer_.erase_before(Table::kReplaced, ChangeKey({line, 0}));
}

void Keyspace::drop_changes(Revision line) {
  const auto offset_at = [](const Cursor& cursor) {
    return read_record<ChangeRecord>(Table::kChanges, cursor.key(), cursor.value()).offset;
  };
  const auto at_line = tables().seek(Table::kChanges, ChangeKey({line, 0}));
  CHECK(at_line->valid(), "the revision {} changed nothing", line);
  const std::uint64_t offset = offset_at(*at_line);
  const auto cursor = tables().seek(Table::kChanges, {});
  while (offset - offset_at(*cursor) > history_.near_bytes) cursor->next();
  writer_.erase_before(Table::kChanges, ChangeKey(change_id(cursor->key())));
}

}  // namespace coord::service

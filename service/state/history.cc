#include "service/state/history.h"

#include <algorithm>
#include <vector>

namespace coord::service {

namespace {

std::optional<KeyRecord> base_of(const Keyspace& keys, std::string_view key) {
  const auto bytes = keys.tables().get(Table::kBases, key);
  if (!bytes) return std::nullopt;
  return read_record<KeyRecord>(Table::kBases, key, *bytes);
}

ChangeRecord change_at(const Keyspace& keys, ChangeId id) {
  const ChangeKey key(id);
  const auto bytes = keys.tables().get(Table::kChanges, key);
  CHECK(bytes, "the change {}.{} of a key's chain is gone", id.revision, id.number);
  return read_record<ChangeRecord>(Table::kChanges, key, *bytes);
}

Change to_change(ChangeId id, const ChangeRecord& record) {
  return {.deleted = record.deleted,
          .key = record.key,
          .value = record.value,
          .create_revision = record.create_revision,
          .mod_revision = id.revision,
          .version = record.version,
          .lease = record.lease,
          .previous_mod_revision = record.existed ? record.previous.revision : Revision()};
}

}  // namespace

std::optional<KeyRecord> record_as_of(const Keyspace& keys, std::string_view key,
                                      const KeyRecord& newest, Revision revision) {
  if (newest.modified.revision <= revision) {
    return newest.deleted ? std::nullopt : std::optional(newest);
  }
  ChangeRecord change = change_at(keys, newest.modified);
  while (true) {
    const ChangeId id = change.previous;
    if (id.revision.is_zero()) return std::nullopt;
    if (id.revision < keys.compacted()) return base_of(keys, key);
    change = change_at(keys, id);
    if (id.revision > revision) continue;
    if (change.deleted) return std::nullopt;
    return KeyRecord{.create_revision = change.create_revision,
                     .modified = id,
                     .version = change.version,
                     .lease = change.lease,
                     .value = change.value};
  }
}

std::optional<KeyRecord> find_as_of(const Keyspace& keys, std::string_view key, Revision revision) {
  const auto bytes = keys.tables().get(Table::kKeys, key);
  if (!bytes) return std::nullopt;
  const auto newest = read_record<KeyRecord>(Table::kKeys, key, *bytes);
  return record_as_of(keys, key, newest, revision);
}

std::optional<KeyValue> record_at(const Keyspace& keys, std::string_view key, Revision revision) {
  if (revision < keys.compacted() && keys.compacted() - revision > 1) return std::nullopt;
  const auto record = find_as_of(keys, key, revision);
  if (!record) return std::nullopt;
  return to_key_value(key, *record);
}

Result<Revision> changes_since(
    const Keyspace& keys, Revision from, std::size_t bytes_max,
    const std::function<void(Revision, std::span<const Change>)>& visit) {
  if (from < keys.compacted()) return compacted_error(from, keys.compacted());
  std::vector<Change> changes;  // of one revision
  std::size_t bytes = 0;
  bool delivered = false;
  const auto deliver = [&] {
    if (changes.empty()) return;
    visit(changes.front().mod_revision, changes);
    changes.clear();
    delivered = true;
  };
  const auto cursor = keys.tables().seek(Table::kChanges, ChangeKey({from, 0}));
  for (; cursor->valid(); cursor->next()) {
    const ChangeId id = change_id(cursor->key());
    if (!changes.empty() && changes.front().mod_revision != id.revision) deliver();
    bytes += cursor->key().size() + cursor->value().size();
    if (delivered && bytes > bytes_max) {
      // Of this revision nothing has been handed over yet, and nothing will be.
      return changes.empty() ? id.revision : changes.front().mod_revision;
    }
    changes.push_back(
        to_change(id, read_record<ChangeRecord>(Table::kChanges, cursor->key(), cursor->value())));
  }
  deliver();
  return std::max(from, keys.next_revision());
}

Error compacted_error(Revision wanted, Revision oldest) {
  Error error = make_error(ErrorCode::kCompacted, "revision {} is gone, the oldest kept is {}",
                           wanted, oldest);
  error.revision = oldest;
  return error;
}

}  // namespace coord::service

#include "service/state/history.h"

#include <algorithm>
#include <vector>

namespace coord::service {

namespace {

ChangeRecord change_at(const Keyspace& keys, ChangeId id) {
  const ChangeKey key(id);
  const auto bytes = keys.tables().get(Table::kChanges, key);
  CHECK(bytes, "the change {}.{} of a key's chain is gone", id.revision, id.number);
  return read_record<ChangeRecord>(Table::kChanges, key, *bytes);
}

// What the change replaced, if its key existed before.
KeyRecord replaced_by(const Keyspace& keys, ChangeId id, const ChangeRecord& change) {
  if (change.near) {
    const ChangeRecord previous = change_at(keys, change.previous);
    return {.create_revision = previous.create_revision,
            .modified = change.previous,
            .version = previous.version,
            .lease = previous.lease,
            .value = previous.value};
  }
  const ChangeKey key(id);
  const auto bytes = keys.tables().get(Table::kReplaced, key);
  CHECK(bytes, "what the change {}.{} replaced is gone", id.revision, id.number);
  return read_record<KeyRecord>(Table::kReplaced, key, *bytes);
}

Change to_change(ChangeId id, const ChangeRecord& record) {
  return {.deleted = record.deleted,
          .key = record.key,
          .value = record.value,
          .create_revision = record.create_revision,
          .mod_revision = id.revision,
          .number = id.number,
          .version = record.version,
          .lease = record.lease,
          .previous_mod_revision = record.existed ? record.previous.revision : Revision()};
}

}  // namespace

std::optional<KeyRecord> record_as_of(const Keyspace& keys, const KeyRecord& newest,
                                      Revision revision) {
  if (newest.modified.revision <= revision) {
    return newest.deleted ? std::nullopt : std::optional(newest);
  }
  ChangeId id = newest.modified;
  while (true) {
    const ChangeRecord change = change_at(keys, id);
    if (change.previous.revision <= revision) {
      return change.existed ? std::optional(replaced_by(keys, id, change)) : std::nullopt;
    }
    id = change.previous;
  }
}

std::optional<KeyRecord> find_as_of(const Keyspace& keys, std::string_view key, Revision revision) {
  const auto bytes = keys.tables().get(Table::kKeys, key);
  if (!bytes) return std::nullopt;
  const auto newest = read_record<KeyRecord>(Table::kKeys, key, *bytes);
  return record_as_of(keys, newest, revision);
}

std::optional<KeyValue> previous_of(const Keyspace& keys, const Change& change) {
  if (change.previous_mod_revision.is_zero() || change.mod_revision < keys.compacted()) {
    return std::nullopt;
  }
  const ChangeId id{change.mod_revision, change.number};
  return to_key_value(change.key, replaced_by(keys, id, change_at(keys, id)));
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

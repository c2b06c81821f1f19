#include "service/state/keyspace.h"

#include <algorithm>
#include <utility>

#include "service/state/key_range.h"
#include "service/state/reserved.h"

namespace coord::service {

namespace {

bool is_live(const std::optional<KeyRecord>& record) {
  return record && !record->deleted;
}

}  // namespace

std::optional<KeyRecord> Keyspace::newest(std::string_view key) const {
  const auto bytes = tables().get(Table::kKeys, key);
  if (!bytes) return std::nullopt;
  return read_record<KeyRecord>(Table::kKeys, key, *bytes);
}

std::optional<KeyRecord> Keyspace::find(std::string_view key) const {
  auto record = newest(key);
  if (!is_live(record)) return std::nullopt;
  return record;
}

void Keyspace::put(std::string_view key, std::string_view value, LeaseId lease) {
  const auto old = newest(key);
  const bool live = is_live(old);
  change(key,
         {.create_revision = live ? old->create_revision : next_revision(),
          .version = live ? old->version + 1 : 1,
          .lease = lease,
          .value = value},
         old);
}

void Keyspace::put_anew(std::string_view key, std::string_view value, LeaseId lease) {
  change(key, {.create_revision = next_revision(), .version = 1, .lease = lease, .value = value},
         newest(key));
}

void Keyspace::erase(std::string_view key) {
  const auto old = newest(key);
  if (is_live(old)) change(key, {.deleted = true}, old);
}

void Keyspace::set(std::string_view key, const KeyRecord& record) {
  const auto old = newest(key);
  if (!record.deleted || is_live(old)) change(key, record, old);
}

void Keyspace::change(std::string_view key, const KeyRecord& record,
                      const std::optional<KeyRecord>& old) {
  const bool existed = is_live(old);
  const bool near = existed && is_near(*old);
  const LeaseId old_lease = existed ? old->lease : LeaseId();
  const ChangeId previous = old ? old->modified : ChangeId();
  KeyRecord stored = record;
  stored.modified = {next_revision(), static_cast<std::uint32_t>(changes_.size())};
  stored.offset = change_bytes_;
  const ChangeKey id(stored.modified);
  // First, because the views in `old` end with the first write to a table.
  if (existed && !near) {
    encode(*old, buffer_);
    writer_.append(Table::kReplaced, id, buffer_);
  }
  encode({.deleted = stored.deleted,
          .existed = existed,
          .near = near,
          .offset = change_bytes_,
          .create_revision = stored.create_revision,
          .previous = previous,
          .version = stored.version,
          .lease = stored.lease,
          .key = key,
          .value = stored.value},
         buffer_);
  writer_.append(Table::kChanges, id, buffer_);
  change_bytes_ += std::max<std::uint64_t>(buffer_.size(), limits::kChangeBytesMin);
  encode(stored, buffer_);
  writer_.put(Table::kKeys, key, buffer_);
  move_attachment(key, old_lease, stored.lease);
  changes_.push_back({.deleted = stored.deleted,
                      .key = key,
                      .value = stored.value,
                      .create_revision = stored.create_revision,
                      .mod_revision = stored.modified.revision,
                      .number = stored.modified.number,
                      .version = stored.version,
                      .lease = stored.lease,
                      .previous_mod_revision = existed ? previous.revision : Revision()});
}

void Keyspace::move_attachment(std::string_view key, LeaseId from, LeaseId to) {
  // A mirror names its holder's lease for people; it is the lock that the lease's end takes away.
  if (from == to || is_reserved(key)) return;
  leases_.detach(from, key);
  leases_.attach(to, key);
}

void Keyspace::finish() {
  // Every revision has a change: the compaction line stands before one.
  if (changes_.empty()) return;
  revision_ = next_revision();
  observer_.on_changes(revision_, changes_);
  changes_.clear();
}

LiveKeys::LiveKeys(const Tables& tables, const KeyRange& range)
    : range_(range), cursor_(tables.seek(Table::kKeys, range.begin)) {
  settle();
}

void LiveKeys::next() {
  cursor_->next();
  settle();
}

void LiveKeys::settle() {
  for (; cursor_->valid() && !is_past(range_, cursor_->key()); cursor_->next()) {
    record_ = read_record<KeyRecord>(Table::kKeys, cursor_->key(), cursor_->value());
    if (!record_.deleted) {
      valid_ = true;
      return;
    }
  }
  valid_ = false;
}

KeyValue to_key_value(std::string_view key, const KeyRecord& record) {
  return {.key = std::string(key),
          .value = std::string(record.value),
          .create_revision = record.create_revision,
          .mod_revision = record.modified.revision,
          .version = record.version,
          .lease = record.lease};
}

}  // namespace coord::service

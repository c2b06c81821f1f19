#include "service/state/lease_table.h"

#include <utility>

namespace coord::service {

namespace {

HoldingKind kind_of(const LockName& name) {
  return name.election ? HoldingKind::kElection : HoldingKind::kLock;
}

}  // namespace

bool LeaseTable::exists(LeaseId id) const {
  return !id.is_zero() && writer_.tables().get(Table::kLeases, number_key(id.value())).has_value();
}

std::optional<LeaseRecord> LeaseTable::find(LeaseId id) const {
  const std::string key = number_key(id.value());
  const auto bytes = writer_.tables().get(Table::kLeases, key);
  if (!bytes) return std::nullopt;
  auto record = read_record<LeaseRecord>(Table::kLeases, key, *bytes);
  record.id = id;
  return record;
}

std::vector<LeaseRecord> LeaseTable::all() const {
  std::vector<LeaseRecord> records;
  const auto cursor = writer_.tables().seek(Table::kLeases, {});
  for (; cursor->valid(); cursor->next()) {
    records.push_back(read_record<LeaseRecord>(Table::kLeases, cursor->key(), cursor->value()));
    records.back().id = LeaseId(number_of_key(cursor->key()));
  }
  return records;
}

void LeaseTable::add(const LeaseRecord& record) {
  ++count_;
  update(record);
}

void LeaseTable::update(const LeaseRecord& record) {
  encode(record, buffer_);
  writer_.put(Table::kLeases, number_key(record.id.value()), buffer_);
}

void LeaseTable::erase(LeaseId id) {
  CHECK_GT(count_, 0u);
  --count_;
  writer_.erase(Table::kLeases, number_key(id.value()));
}

void LeaseTable::attach(LeaseId id, std::string_view key) {
  if (id.is_zero()) return;
  writer_.put(Table::kLeaseKeys, holding_key(id, HoldingKind::kKey, key), {});
  count_attached(id, 1);
}

void LeaseTable::detach(LeaseId id, std::string_view key) {
  if (id.is_zero()) return;
  writer_.erase(Table::kLeaseKeys, holding_key(id, HoldingKind::kKey, key));
  count_attached(id, -1);
}

void LeaseTable::count_attached(LeaseId id, int difference) {
  auto record = find(id);
  if (!record) return;  // it is ending, and all its keys go
  if (difference < 0) CHECK_GT(record->attached_keys, 0u);
  record->attached_keys += static_cast<std::uint64_t>(difference);
  update(*record);
}

void LeaseTable::add_place(LeaseId id, const LockName& name) {
  writer_.put(Table::kLeaseKeys, holding_key(id, kind_of(name), name.name), {});
}

void LeaseTable::remove_place(LeaseId id, const LockName& name) {
  writer_.erase(Table::kLeaseKeys, holding_key(id, kind_of(name), name.name));
}

std::vector<std::string> LeaseTable::keys(LeaseId id) const {
  return holdings(id, HoldingKind::kKey);
}

std::vector<LockName> LeaseTable::places(LeaseId id) const {
  std::vector<LockName> names;
  for (const HoldingKind kind : {HoldingKind::kLock, HoldingKind::kElection}) {
    for (std::string& name : holdings(id, kind)) {
      names.push_back({kind == HoldingKind::kElection, std::move(name)});
    }
  }
  return names;
}

std::vector<std::string> LeaseTable::holdings(LeaseId id, HoldingKind kind) const {
  std::vector<std::string> names;
  const std::string prefix = holding_key(id, kind, {});
  const auto cursor = writer_.tables().seek(Table::kLeaseKeys, prefix);
  for (; cursor->valid() && cursor->key().starts_with(prefix); cursor->next()) {
    names.emplace_back(holding_name(cursor->key()));
  }
  return names;
}

}  // namespace coord::service

#include "service/state/draft.h"

#include <vector>

#include "service/state/key_range.h"

namespace coord::service {

std::optional<KeyRecord> Draft::find(std::string_view key) const {
  const auto own = entries_.find(key);
  if (own == entries_.end()) return keys_.find(key);
  if (own->second.record.deleted) return std::nullopt;
  return own->second.record;
}

void Draft::scan(const KeyRange& range, const Visit& visit) const {
  if (range.kind == KeyRange::Kind::kSingle) {
    if (const auto record = find(range.begin)) visit(range.begin, *record);
    return;
  }
  LiveKeys stored(keys_.tables(), range);
  auto own = entries_.lower_bound(range.begin);
  while (true) {
    const bool has_own = own != entries_.end() && !is_past(range, own->first);
    if (has_own && (!stored.valid() || own->first <= stored.key())) {
      if (stored.valid() && own->first == stored.key()) stored.next();
      if (!own->second.record.deleted && !visit(own->first, own->second.record)) return;
      ++own;
    } else if (stored.valid()) {
      if (!visit(stored.key(), stored.record())) return;
      stored.next();
    } else {
      return;
    }
  }
}

Draft::Entry& Draft::touch(std::string_view key) {
  const auto own = entries_.find(key);
  if (own != entries_.end()) return own->second;
  const auto order = static_cast<std::uint32_t>(entries_.size());
  Entry& entry = entries_[std::string(key)];
  entry.order = order;
  return entry;
}

void Draft::put(std::string_view key, std::string_view value, LeaseId lease) {
  const auto old = find(key);
  const Revision created = old ? old->create_revision : keys_.next_revision();
  const std::uint64_t version = old ? old->version + 1 : 1;
  Entry& entry = touch(key);
  entry.value = value;
  entry.record = {.create_revision = created,
                  .modified = {keys_.next_revision(), entry.order},
                  .version = version,
                  .lease = lease,
                  .value = entry.value};
}

void Draft::erase(std::string_view key) {
  if (!find(key)) return;
  Entry& entry = touch(key);
  entry.value.clear();
  entry.record = {.deleted = true, .modified = {keys_.next_revision(), entry.order}};
}

void Draft::commit(Keyspace& keys) const {
  using Touched = decltype(entries_)::const_iterator;
  std::vector<Touched> in_order(entries_.size());
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    in_order[entry->second.order] = entry;
  }
  for (const Touched& entry : in_order) keys.set(entry->first, entry->second.record);
}

}  // namespace coord::service

#include "service/store/overlay.h"

#include <limits>
#include <new>
#include <utility>

#include "raft/base/check.h"

namespace coord::service {

namespace {
template <std::size_t... i>
std::array<Overlay::Records, sizeof...(i)> make_tables(Arena& arena, std::index_sequence<i...>) {
  const ArenaAllocator<Overlay::Slot> allocator(arena);
  return {((void)i, Overlay::Records(Overlay::Order(), allocator))...};
}
}  // namespace

Overlay::Overlay() : tables_(make_tables(arena_, std::make_index_sequence<kTableCount>())) {}

void Overlay::put(Table table, std::string_view key, std::string_view value, bool fresh) {
  Records& records = mutable_records(table);
  const Key sought(key);
  const auto place = records.lower_bound(sought);
  if (place != records.end() && place->prefix == sought.prefix && place->key() == key) {
    overwrite(*place, value);
    return;
  }
  records.insert(place, Slot{sought.prefix, make_record(key, value, false, fresh)});
}

void Overlay::append(Table table, std::string_view key, std::string_view value) {
  Records& records = mutable_records(table);
  // A tombstone may lie at or behind the new end of the table.
  if (!records.empty() && records.rbegin()->key() >= key) return put(table, key, value, false);
  records.insert(records.end(), Slot{prefix_of(key), make_record(key, value, false, true)});
}

void Overlay::erase(Table table, std::string_view key, bool nothing_below) {
  Records& records = mutable_records(table);
  const Key sought(key);
  const auto place = records.lower_bound(sought);
  if (place != records.end() && place->prefix == sought.prefix && place->key() == key) {
    if (place->record->fresh) {
      records.erase(place);
    } else {
      place->record->erased = true;
      place->record->value_size = 0;
    }
    return;
  }
  if (nothing_below) return;
  records.insert(place, Slot{sought.prefix, make_record(key, {}, true, false)});
}

bool Overlay::empty() const {
  for (const Records& records : tables_) {
    if (!records.empty()) return false;
  }
  return true;
}

std::size_t Overlay::size() const {
  std::size_t size = 0;
  for (const Records& records : tables_) size += records.size();
  return size;
}

void Overlay::clear(std::size_t keep_bytes) {
  for (Records& records : tables_) records.clear();
  arena_.reset(keep_bytes);
}

Overlay::Record* Overlay::make_record(std::string_view key, std::string_view value, bool erased,
                                      bool fresh) {
  constexpr std::size_t kMax = std::numeric_limits<std::uint32_t>::max() - 8;
  CHECK(key.size() < kMax && value.size() < kMax, "{} + {} bytes", key.size(), value.size());
  const std::size_t bytes = (key.size() + value.size() + 7) & ~std::size_t{7};
  auto* record = new (arena_.allocate(sizeof(Record) + bytes))
      Record{.key_size = static_cast<std::uint32_t>(key.size()),
             .value_size = static_cast<std::uint32_t>(value.size()),
             .value_capacity = static_cast<std::uint32_t>(bytes - key.size()),
             .erased = erased,
             .fresh = fresh};
  if (!key.empty()) std::memcpy(record->bytes(), key.data(), key.size());
  if (!value.empty()) std::memcpy(record->bytes() + key.size(), value.data(), value.size());
  return record;
}

void Overlay::overwrite(const Slot& slot, std::string_view value) {
  Record* record = slot.record;
  if (value.size() > record->value_capacity) {
    slot.record = make_record(record->key(), value, false, record->fresh);
    return;
  }
  // A key that is written again and again takes memory once. `value` may be part of the old one.
  if (!value.empty()) std::memmove(record->bytes() + record->key_size, value.data(), value.size());
  record->value_size = static_cast<std::uint32_t>(value.size());
  record->erased = false;
}

}  // namespace coord::service

#include "service/store/overlay.h"

#include <algorithm>
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

void Overlay::Beginning::learn(const Records& records) {
  look_at_size_ = look_at_size_ < kLastLook ? look_at_size_ * 8 : 0;
  // What the first and the last have in common, all between them have.
  const std::string_view first = records.begin()->key();
  const std::string_view last = records.rbegin()->key();
  const auto end = std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first;
  common_.assign(first.begin(), end);
  for (const Slot& slot : records) slot.prefix = prefix_of(slot.key());
}

void Overlay::Beginning::forget() {
  common_.clear();
  look_at_size_ = kFirstLook;
}

void Overlay::insert(Table table, Iterator place, const Slot& slot) {
  Records& records = mutable_records(table);
  records.insert(place, slot);
  beginnings_[static_cast<std::size_t>(table)].look_at(records);
}

void Overlay::put(Table table, std::string_view key, std::string_view value, bool fresh) {
  const Records& records = this->records(table);
  const Key sought = this->sought(table, key);
  const auto place = records.lower_bound(sought);
  if (place != records.end() && place->prefix == sought.prefix && place->key() == key) {
    overwrite(*place, value);
    return;
  }
  insert(table, place, Slot{sought.prefix, make_record(key, value, false, fresh)});
}

void Overlay::erase(Table table, std::string_view key, bool nothing_below) {
  const Records& records = this->records(table);
  const Key sought = this->sought(table, key);
  const auto place = records.lower_bound(sought);
  if (place != records.end() && place->prefix == sought.prefix && place->key() == key) {
    if (place->record->fresh) {
      mutable_records(table).erase(place);
    } else {
      place->record->erased = true;
      place->record->value_size = 0;
    }
    return;
  }
  if (nothing_below) return;
  insert(table, place, Slot{sought.prefix, make_record(key, {}, true, false)});
}

void Overlay::append(Table queue, std::string_view key, std::string_view value) {
  const Records& records = this->records(queue);
  CHECK(records.empty() || records.rbegin()->key() < key, "a queue grows at its end");
  insert(queue, records.end(),
         Slot{sought(queue, key).prefix, make_record(key, value, false, true)});
}

void Overlay::erase_before(Table queue, std::string_view key) {
  Records& records = mutable_records(queue);
  records.erase(records.begin(), records.lower_bound(sought(queue, key)));
  fronts_[static_cast<std::size_t>(queue)] = key;
}

bool Overlay::empty() const {
  return size() == 0 && std::ranges::all_of(fronts_, &std::string::empty);
}

std::size_t Overlay::bytes() const {
  std::size_t bytes = arena_.used();
  for (const std::string& front : fronts_) bytes += front.size();
  return bytes;
}

std::size_t Overlay::size() const {
  std::size_t size = 0;
  for (const Records& records : tables_) size += records.size();
  return size;
}

void Overlay::clear(std::size_t keep_bytes) {
  for (Records& records : tables_) records.clear();
  for (Beginning& beginning : beginnings_) beginning.forget();
  for (std::string& front : fronts_) front.clear();
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

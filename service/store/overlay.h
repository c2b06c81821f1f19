// What was written since the last flush, in memory: for each table an ordered set of records, each
// a value or, in a map, the mark that the key is gone (a tombstone, which hides what lies below). A
// queue has no tombstones, but a front.
//
// Active: loop thread only. Frozen: nobody writes, the loop and the flusher read.
#pragma once

#include <absl/container/btree_set.h>
#include <absl/types/compare.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "service/state/tables.h"
#include "service/store/arena.h"

namespace coord::service {

class Overlay {
 public:
  // Followed in memory by the key's bytes and then the value's.
  struct Record {
    std::uint32_t key_size;
    std::uint32_t value_size;
    std::uint32_t value_capacity;
    bool erased;
    // No layer below has this key: erasing it needs no tombstone.
    bool fresh;

    std::string_view key() const { return {bytes(), key_size}; }
    std::string_view value() const { return {bytes() + key_size, value_size}; }
    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
    char* bytes() { return reinterpret_cast<char*>(this + 1); }
  };

  // A sought key, or a record's, with those of its bytes as a number that tell it from its table's
  // other keys (Beginning): most comparisons end there, without touching the record. Equal numbers
  // say nothing; different ones are ordered as the keys are.
  struct Key {
    std::uint64_t prefix;
    std::string_view text;
  };
  struct Slot {
    // The order of the slots stays the same when this is taken from another place of their keys.
    mutable std::uint64_t prefix;
    // Not part of the order: a put to the same key may move its record.
    mutable Record* record;

    std::string_view key() const { return record->key(); }
  };
  struct Order {
    using is_transparent = void;
    absl::weak_ordering operator()(const Slot& a, const Slot& b) const {
      return compare(a.prefix, b.prefix, a, b);
    }
    absl::weak_ordering operator()(const Slot& a, const Key& b) const {
      return compare(a.prefix, b.prefix, a, b);
    }
    absl::weak_ordering operator()(const Key& a, const Slot& b) const {
      return compare(a.prefix, b.prefix, a, b);
    }

   private:
    static std::string_view text(const Slot& slot) { return slot.key(); }
    static std::string_view text(const Key& key) { return key.text; }
    template <class A, class B>
    static absl::weak_ordering compare(std::uint64_t a_prefix, std::uint64_t b_prefix, const A& a,
                                       const B& b) {
      if (a_prefix != b_prefix) {
        return a_prefix < b_prefix ? absl::weak_ordering::less : absl::weak_ordering::greater;
      }
      const int order = text(a).compare(text(b));
      if (order == 0) return absl::weak_ordering::equivalent;
      return order < 0 ? absl::weak_ordering::less : absl::weak_ordering::greater;
    }
  };
  using Records = absl::btree_set<Slot, Order, ArenaAllocator<Slot>>;
  using Iterator = Records::const_iterator;

  Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  // Null if this layer says nothing about the key.
  const Record* find(Table table, std::string_view key) const {
    const Records& records = this->records(table);
    if (records.empty()) return nullptr;
    const auto found = records.find(sought(table, key));
    return found == records.end() ? nullptr : found->record;
  }
  Iterator seek(Table table, std::string_view from) const {
    return records(table).lower_bound(sought(table, from));
  }
  Iterator end(Table table) const { return records(table).end(); }
  const Records& records(Table table) const { return tables_[static_cast<std::size_t>(table)]; }

  // `fresh`: the caller knows that no layer below has the key.
  void put(Table table, std::string_view key, std::string_view value, bool fresh);
  void erase(Table table, std::string_view key, bool nothing_below);
  void append(Table queue, std::string_view key, std::string_view value);
  void erase_before(Table queue, std::string_view key);

  // What erase_before() was last told; empty: nothing.
  std::string_view front(Table queue) const { return fronts_[static_cast<std::size_t>(queue)]; }

  bool empty() const;
  // Memory that what was written takes.
  std::size_t bytes() const;
  std::size_t size() const;

  // Forgets everything, and keeps memory for the next round.
  void clear(std::size_t keep_bytes);

 private:
  // Where most of a table's keys begin alike, as those of one service do, their first bytes do not
  // tell them apart. What they have in common is left out of the prefix; a key without it gets the
  // least or the greatest one, whichever side of all the others it lies on.
  class Beginning {
   public:
    std::uint64_t prefix_of(std::string_view key) const {
      const int side = key.compare(0, common_.size(), common_);
      if (side != 0) return side < 0 ? 0 : UINT64_MAX;
      const std::string_view rest = key.substr(common_.size());
      std::uint64_t prefix = 0;
      if (!rest.empty()) std::memcpy(&prefix, rest.data(), rest.size() < 8 ? rest.size() : 8);
      if constexpr (std::endian::native == std::endian::little) prefix = __builtin_bswap64(prefix);
      return prefix;
    }
    // A key was added. Now and then, as they become more, looks anew at what they have in common.
    void look_at(const Records& records) {
      if (records.size() == look_at_size_) learn(records);
    }
    void forget();

   private:
    static constexpr std::size_t kFirstLook = 64;
    static constexpr std::size_t kLastLook = 64 * 64;

    void learn(const Records& records);

    std::string common_;
    std::size_t look_at_size_ = kFirstLook;
  };

  Key sought(Table table, std::string_view key) const {
    return {beginnings_[static_cast<std::size_t>(table)].prefix_of(key), key};
  }
  void insert(Table table, Iterator place, const Slot& slot);

  Records& mutable_records(Table table) { return tables_[static_cast<std::size_t>(table)]; }
  Record* make_record(std::string_view key, std::string_view value, bool erased, bool fresh);
  void overwrite(const Slot& slot, std::string_view value);

  Arena arena_;
  std::array<Records, kTableCount> tables_;
  std::array<Beginning, kTableCount> beginnings_;
  std::array<std::string, kTableCount> fronts_;
};

}  // namespace coord::service

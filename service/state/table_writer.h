// The one way in which applying an entry changes a table: everything written goes into the digest.
// (What save() writes does not: when that happens is each member's own affair.)
#pragma once

#include <string_view>

#include "service/state/digest.h"
#include "service/state/tables.h"

namespace coord::service {

class TableWriter {
 public:
  TableWriter(Tables& tables, Digest& digest) : tables_(tables), digest_(digest) {}

  const Tables& tables() const { return tables_; }

  void put(Table table, std::string_view key, std::string_view value) {
    mix(table, key);
    digest_.mix(value);
    tables_.put(table, key, value);
  }
  void erase(Table table, std::string_view key) {
    mix(table, key);
    digest_.mix(kErased);
    tables_.erase(table, key);
  }
  void append(Table queue, std::string_view key, std::string_view value) {
    mix(queue, key);
    digest_.mix(value);
    tables_.append(queue, key, value);
  }
  void erase_before(Table queue, std::string_view key) {
    mix(queue, key);
    digest_.mix(kErased);
    tables_.erase_before(queue, key);
  }

 private:
  static constexpr std::uint64_t kErased = 0x65726173ed;

  void mix(Table table, std::string_view key) {
    digest_.mix(hash64(key, static_cast<std::uint64_t>(table)));
  }

  Tables& tables_;
  Digest& digest_;
};

}  // namespace coord::service

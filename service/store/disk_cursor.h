// What LMDB has of a table, whichever way it is kept there: a map in layers, a queue in blocks.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "service/store/blocks.h"
#include "service/store/layers.h"

namespace coord::service {

inline std::optional<std::string_view> disk_get(MDB_txn* txn, const Databases& databases,
                                                Table table, std::string_view key) {
  return is_queue(table) ? blocks_get(txn, databases, table, key)
                         : layers_get(txn, databases, table, key);
}

// Must be destroyed before its transaction's environment.
class DiskCursor {
 public:
  DiskCursor(MDB_txn* txn, const Databases& databases, Table table, std::string_view from)
      : cursor_(is_queue(table)
                    ? Either(std::in_place_type<BlockCursor>, txn, databases, table, from)
                    : Either(std::in_place_type<LayerCursor>, txn, databases, table, from)) {}

  bool valid() const {
    return std::visit([](const auto& cursor) { return cursor.valid(); }, cursor_);
  }
  std::string_view key() const {
    return std::visit([](const auto& cursor) { return cursor.key(); }, cursor_);
  }
  std::string_view value() const {
    return std::visit([](const auto& cursor) { return cursor.value(); }, cursor_);
  }
  void next() {
    std::visit([](auto& cursor) { cursor.next(); }, cursor_);
  }

 private:
  using Either = std::variant<LayerCursor, BlockCursor>;

  Either cursor_;
};

}  // namespace coord::service

// Ordered tables in LMDB with keys of any length.
//
// LMDB takes keys of at most 511 bytes. A longer key is cut into slices, and the slices are a trie
// whose nodes are LMDB's own trees ("layers"):
//
//   layer 0:  the table's own database     key: slice of up to 510 bytes
//   layer N:  the database "layers"        key: N (8 bytes, big-endian), slice of up to 502 bytes
//
//   A record whose key has at most 510 bytes is the end of some key; its value is the value.
//   A record whose key has 511 bytes, a full slice and a zero byte, is a link: its value is the
//   number of the layer that holds the rest of every longer key that begins like this.
//
// The order of the tables is exact: a link comes right after the key that ends where it goes on,
// and before whatever is greater. A key of 8 KiB takes 17 look-ups; one that fits LMDB takes one,
// and is stored as it is. A layer without records does not exist, and no link leads to it.
//
// The reading side belongs to the thread of its transaction, and so does the writing side.
#pragma once

#include <lmdb.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/state/tables.h"

namespace coord::service {

inline constexpr std::size_t kLmdbKeyBytesMax = 511;

// Numbers of the layers, as their records' keys begin. 0 is a table's own database.
using LayerId = std::uint64_t;

struct Databases {
  std::array<MDB_dbi, kTableCount> tables{};
  MDB_dbi layers = 0;
  MDB_dbi store = 0;  // what the store says of itself

  MDB_dbi of(Table table) const { return tables[static_cast<std::size_t>(table)]; }
};

// LMDB said no: the disk failed, or what it holds is damaged. Caught at the doors of Store and
// Flusher, which know what to do.
struct LmdbFailure {
  int code;
  const char* call;
};
// Anything but success.
inline void lmdb_must(int code, const char* call) {
  if (code != MDB_SUCCESS) [[unlikely]]
    throw LmdbFailure{code, call};
}
// True for success, false for MDB_NOTFOUND.
inline bool lmdb_found(int code, const char* call) {
  if (code == MDB_NOTFOUND) return false;
  lmdb_must(code, call);
  return true;
}

inline MDB_val val_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
inline std::string_view view_of(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

// What a record of one layer is called, in place.
class LayerKey {
 public:
  // Takes as much of `rest` as fits, and leaves in it what does not.
  LayerKey(LayerId layer, std::string_view& rest);

  bool is_link() const { return size_ == kLmdbKeyBytesMax; }
  std::string_view view() const { return {text_, size_}; }
  MDB_val val() const { return {size_, const_cast<char*>(text_)}; }

 private:
  std::size_t size_;
  char text_[kLmdbKeyBytesMax];
};

std::optional<std::string_view> layers_get(MDB_txn* txn, const Databases& databases, Table table,
                                           std::string_view key);

// Walks a table in the order of keys. Must be destroyed before its transaction's environment.
class LayerCursor {
 public:
  LayerCursor(MDB_txn* txn, const Databases& databases, Table table, std::string_view from);
  ~LayerCursor();
  LayerCursor(const LayerCursor&) = delete;
  LayerCursor& operator=(const LayerCursor&) = delete;

  bool valid() const { return !levels_.empty(); }
  std::string_view key() const { return levels_.size() == 1 ? slice() : std::string_view(key_); }
  std::string_view value() const { return view_of(levels_.back().value); }
  void next();

 private:
  struct Level {
    MDB_cursor* cursor;
    LayerId layer;
    MDB_val key;
    MDB_val value;
  };
  std::string_view slice() const;
  bool open(LayerId layer, std::string_view& from);
  void close();
  bool move(MDB_cursor_op op);
  void settle(bool found, std::string_view from);
  void compose();

  MDB_txn* txn_;
  const Databases& databases_;
  Table table_;
  std::vector<Level> levels_;
  std::string key_;  // of the current record, if it takes more than one slice
};

// Writes within one write transaction. Keys should come in order, table by table.
class LayerWriter {
 public:
  LayerWriter(MDB_txn* txn, const Databases& databases);
  ~LayerWriter();
  LayerWriter(const LayerWriter&) = delete;
  LayerWriter& operator=(const LayerWriter&) = delete;

  // Before the first write to a table.
  void begin(Table table);
  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  // After the last write.
  void finish();

 private:
  void put_long(std::string_view key, std::string_view value);
  void erase_long(std::string_view key);
  bool layer_is_empty(LayerId layer);

  MDB_txn* txn_;
  const Databases& databases_;
  Table table_{};
  MDB_cursor* cursor_ = nullptr;  // of the table's own database
  std::string last_;              // the greatest key of that database before our writes
  bool beyond_last_ = false;      // we write behind it now, so everything is appended
  LayerId next_layer_;
  LayerId next_layer_saved_;
};

}  // namespace coord::service

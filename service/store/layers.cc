#include "service/store/layers.h"

#include <bit>
#include <cstring>
#include <utility>

#include "raft/base/check.h"

namespace coord::service {

namespace {

constexpr std::size_t kLayerPrefixBytes = 8;
constexpr std::string_view kNextLayerName = "next_layer";

void store_big_endian(char* target, std::uint64_t number) {
  if constexpr (std::endian::native == std::endian::little) number = __builtin_bswap64(number);
  std::memcpy(target, &number, sizeof number);
}

LayerId number_of(const MDB_val& val, const char* call) {
  LayerId number = 0;
  // Damage of the file, not a bug of ours.
  if (val.mv_size != sizeof number) throw LmdbFailure{MDB_CORRUPTED, call};
  std::memcpy(&number, val.mv_data, sizeof number);
  if constexpr (std::endian::native == std::endian::little) number = __builtin_bswap64(number);
  return number;
}

MDB_dbi database_of(const Databases& databases, Table table, LayerId layer) {
  return layer == 0 ? databases.of(table) : databases.layers;
}

}  // namespace

LayerKey::LayerKey(LayerId layer, std::string_view& rest) : size_(0) {
  if (layer != 0) {
    store_big_endian(text_, layer);
    size_ = kLayerPrefixBytes;
  }
  const std::size_t room = kLmdbKeyBytesMax - 1 - size_;
  const std::size_t taken = rest.size() < room ? rest.size() : room;
  if (taken > 0) std::memcpy(text_ + size_, rest.data(), taken);
  size_ += taken;
  rest.remove_prefix(taken);
  if (!rest.empty()) text_[size_++] = '\0';
}

std::optional<std::string_view> layers_get(MDB_txn* txn, const Databases& databases, Table table,
                                           std::string_view key) {
  LayerId layer = 0;
  while (true) {
    if (layer == 0 && key.size() < kLmdbKeyBytesMax) {
      if (key.empty()) return std::nullopt;
      MDB_val sought = val_of(key);
      MDB_val value;
      if (!lmdb_found(mdb_get(txn, databases.of(table), &sought, &value), "get")) {
        return std::nullopt;
      }
      return view_of(value);
    }
    const LayerKey slice(layer, key);
    MDB_val sought = slice.val();
    MDB_val value;
    if (!lmdb_found(mdb_get(txn, database_of(databases, table, layer), &sought, &value), "get")) {
      return std::nullopt;
    }
    if (!slice.is_link()) return view_of(value);
    layer = number_of(value, "get");
  }
}

LayerCursor::LayerCursor(MDB_txn* txn, const Databases& databases, Table table,
                         std::string_view from)
    : txn_(txn), databases_(databases), table_(table) {
  const bool found = open(0, from);
  settle(found, from);
}

LayerCursor::~LayerCursor() {
  while (!levels_.empty()) close();
}

void LayerCursor::next() {
  settle(move(MDB_NEXT), {});
}

std::string_view LayerCursor::slice() const {
  const Level& level = levels_.back();
  std::string_view slice = view_of(level.key);
  if (level.layer != 0) slice.remove_prefix(kLayerPrefixBytes);
  return slice;
}

// Opens a layer at its first record that is not less than `from`, and leaves in `from` what is to
// be sought in the next one. False if there is no such record.
bool LayerCursor::open(LayerId layer, std::string_view& from) {
  MDB_cursor* cursor = nullptr;
  lmdb_must(mdb_cursor_open(txn_, database_of(databases_, table_, layer), &cursor), "cursor_open");
  levels_.push_back({cursor, layer, {}, {}});

  std::string_view rest = std::exchange(from, {});
  const LayerKey sought(layer, rest);
  Level& level = levels_.back();
  level.key = sought.val();
  const bool found = move(sought.view().empty() ? MDB_FIRST : MDB_SET_RANGE);
  // Only the link of the sought key itself is entered in its middle; any other record that was
  // found is greater than the key, and so is all that is behind it.
  if (found && sought.is_link() && view_of(level.key) == sought.view()) from = rest;
  return found;
}

void LayerCursor::close() {
  mdb_cursor_close(levels_.back().cursor);
  levels_.pop_back();
}

// Moves within the current layer. False at its end.
bool LayerCursor::move(MDB_cursor_op op) {
  Level& level = levels_.back();
  if (!lmdb_found(mdb_cursor_get(level.cursor, &level.key, &level.value, op), "cursor_get")) {
    return false;
  }
  if (level.layer == 0) return true;
  char prefix[kLayerPrefixBytes];
  store_big_endian(prefix, level.layer);
  return view_of(level.key).starts_with(std::string_view(prefix, kLayerPrefixBytes));
}

// From where a move has led to the next end of a key: down through links, up out of layers that
// have ended.
void LayerCursor::settle(bool found, std::string_view from) {
  while (true) {
    if (!found) {
      close();
      if (levels_.empty()) return;
      from = {};
      found = move(MDB_NEXT);
      continue;
    }
    const Level& level = levels_.back();
    if (level.key.mv_size < kLmdbKeyBytesMax) break;
    found = open(number_of(level.value, "cursor_get"), from);
  }
  if (levels_.size() > 1) compose();
}

void LayerCursor::compose() {
  key_.clear();
  for (const Level& level : levels_) {
    std::string_view slice = view_of(level.key);
    if (level.layer != 0) slice.remove_prefix(kLayerPrefixBytes);
    if (level.key.mv_size == kLmdbKeyBytesMax) slice.remove_suffix(1);
    key_ += slice;
  }
}

LayerWriter::LayerWriter(MDB_txn* txn, const Databases& databases)
    : txn_(txn), databases_(databases) {
  MDB_val name = val_of(kNextLayerName);
  MDB_val value;
  const bool found = lmdb_found(mdb_get(txn, databases.store, &name, &value), "get");
  next_layer_ = next_layer_saved_ = found ? number_of(value, "get") : 1;
}

LayerWriter::~LayerWriter() {
  if (cursor_ != nullptr) mdb_cursor_close(cursor_);
}

void LayerWriter::begin(Table table) {
  if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
  table_ = table;
  lmdb_must(mdb_cursor_open(txn_, databases_.of(table), &cursor_), "cursor_open");
  MDB_val key;
  MDB_val value;
  beyond_last_ = !lmdb_found(mdb_cursor_get(cursor_, &key, &value, MDB_LAST), "cursor_get");
  last_ = beyond_last_ ? std::string_view() : view_of(key);
}

void LayerWriter::put(std::string_view key, std::string_view value) {
  beyond_last_ = beyond_last_ || key > last_;
  if (key.size() >= kLmdbKeyBytesMax) return put_long(key, value);
  MDB_val k = val_of(key);
  MDB_val v = val_of(value);
  lmdb_must(mdb_cursor_put(cursor_, &k, &v, beyond_last_ ? MDB_APPEND : 0), "put");
}

void LayerWriter::erase(std::string_view key) {
  if (key.size() >= kLmdbKeyBytesMax) return erase_long(key);
  MDB_val k = val_of(key);
  (void)lmdb_found(mdb_del(txn_, databases_.of(table_), &k, nullptr), "del");
}

void LayerWriter::finish() {
  if (next_layer_ == next_layer_saved_) return;
  char number[sizeof next_layer_];
  store_big_endian(number, next_layer_);
  MDB_val name = val_of(kNextLayerName);
  MDB_val value = val_of(std::string_view(number, sizeof number));
  lmdb_must(mdb_put(txn_, databases_.store, &name, &value, 0), "put");
  next_layer_saved_ = next_layer_;
}

void LayerWriter::put_long(std::string_view key, std::string_view value) {
  LayerId layer = 0;
  while (true) {
    const LayerKey slice(layer, key);
    const MDB_dbi database = database_of(databases_, table_, layer);
    MDB_val k = slice.val();
    MDB_val v = val_of(value);
    if (!slice.is_link()) {
      lmdb_must(mdb_put(txn_, database, &k, &v, 0), "put");
      return;
    }
    if (lmdb_found(mdb_get(txn_, database, &k, &v), "get")) {
      layer = number_of(v, "get");
      continue;
    }
    layer = next_layer_++;
    char number[sizeof layer];
    store_big_endian(number, layer);
    v = val_of(std::string_view(number, sizeof number));
    lmdb_must(mdb_put(txn_, database, &k, &v, 0), "put");
  }
}

void LayerWriter::erase_long(std::string_view key) {
  struct Step {
    LayerId layer;
    LayerKey slice;
  };
  std::vector<Step> path;
  for (LayerId layer = 0;;) {
    path.push_back({layer, LayerKey(layer, key)});
    if (!path.back().slice.is_link()) break;
    MDB_val k = path.back().slice.val();
    MDB_val v;
    if (!lmdb_found(mdb_get(txn_, database_of(databases_, table_, layer), &k, &v), "get")) return;
    layer = number_of(v, "get");
  }
  // The record itself, and then every link whose layer has become empty with that.
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    MDB_val k = step->slice.val();
    const MDB_dbi database = database_of(databases_, table_, step->layer);
    if (!lmdb_found(mdb_del(txn_, database, &k, nullptr), "del")) return;
    if (step->layer != 0 && !layer_is_empty(step->layer)) return;
  }
}

bool LayerWriter::layer_is_empty(LayerId layer) {
  char prefix[kLayerPrefixBytes];
  store_big_endian(prefix, layer);
  const std::string_view sought(prefix, sizeof prefix);
  MDB_cursor* cursor = nullptr;
  lmdb_must(mdb_cursor_open(txn_, databases_.layers, &cursor), "cursor_open");
  MDB_val k = val_of(sought);
  MDB_val v;
  const int code = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
  mdb_cursor_close(cursor);
  return !lmdb_found(code, "cursor_get") || !view_of(k).starts_with(sought);
}

}  // namespace coord::service

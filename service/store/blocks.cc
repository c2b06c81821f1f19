#include "service/store/blocks.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "service/store/environment.h"

namespace coord::service {

namespace {

// LMDB puts at least two records into a page, and one that is larger into pages of its own: this
// leaves room for the page's header and, twice, for a record's and its key.
constexpr std::size_t kBlockBytesMax = 2000;

using Sizes = std::array<std::uint32_t, 2>;  // of a key, of a value

std::string front_name(Table queue) {
  return "front of " + database_name(static_cast<std::size_t>(queue));
}

// The file is, this is not a bug of ours.
[[noreturn]] void damaged() {
  throw LmdbFailure{MDB_CORRUPTED, "cursor_get"};
}

// The first `size` bytes of `rest`, which are taken off it.
std::string_view take(std::string_view& rest, std::size_t size) {
  if (rest.size() < size) damaged();
  const std::string_view taken = rest.substr(0, size);
  rest.remove_prefix(size);
  return taken;
}

}  // namespace

std::string_view queue_front(MDB_txn* txn, const Databases& databases, Table queue) {
  const std::string name_text = front_name(queue);
  MDB_val name = val_of(name_text);
  MDB_val front;
  if (!lmdb_found(mdb_get(txn, databases.store, &name, &front), "get")) return {};
  return view_of(front);
}

std::optional<std::string_view> blocks_get(MDB_txn* txn, const Databases& databases, Table queue,
                                           std::string_view key) {
  const BlockCursor cursor(txn, databases, queue, key);
  if (!cursor.valid() || cursor.key() != key) return std::nullopt;
  return cursor.value();
}

BlockCursor::BlockCursor(MDB_txn* txn, const Databases& databases, Table queue,
                         std::string_view from) {
  lmdb_must(mdb_cursor_open(txn, databases.of(queue), &cursor_), "cursor_open");
  try {
    valid_ = move_to_block_of(from);
    if (valid_) read();
    while (valid_ && key_ < from) next();
  } catch (const LmdbFailure&) {
    mdb_cursor_close(cursor_);
    throw;
  }
}

BlockCursor::~BlockCursor() {
  mdb_cursor_close(cursor_);
}

void BlockCursor::next() {
  const std::string_view before = key_;
  valid_ = !rest_.empty() || move(MDB_NEXT);
  if (!valid_) return;
  read();
  if (key_ <= before) damaged();
}

// To the last block that does not begin behind the key, or else to the first one.
bool BlockCursor::move_to_block_of(std::string_view key) {
  if (key.empty()) return move(MDB_FIRST);
  block_key_ = val_of(key);
  if (!move(MDB_SET_RANGE)) return move(MDB_LAST);
  return view_of(block_key_) == key || move(MDB_PREV) || move(MDB_FIRST);
}

bool BlockCursor::move(MDB_cursor_op op) {
  MDB_val block;
  if (!lmdb_found(mdb_cursor_get(cursor_, &block_key_, &block, op), "cursor_get")) return false;
  rest_ = view_of(block);
  return true;
}

void BlockCursor::read() {
  Sizes sizes;
  std::memcpy(sizes.data(), take(rest_, sizeof sizes).data(), sizeof sizes);
  key_ = take(rest_, sizes[0]);
  value_ = take(rest_, sizes[1]);
}

BlockWriter::BlockWriter(MDB_txn* txn, const Databases& databases, Table queue)
    : txn_(txn), databases_(databases), queue_(queue) {
  lmdb_must(mdb_cursor_open(txn, databases.of(queue), &cursor_), "cursor_open");
}

BlockWriter::~BlockWriter() {
  mdb_cursor_close(cursor_);
}

void BlockWriter::set_front(std::string_view front) {
  front_ = front;
  const std::string name_text = front_name(queue_);
  MDB_val name = val_of(name_text);
  MDB_val value = val_of(front);
  lmdb_must(mdb_put(txn_, databases_.store, &name, &value, 0), "put");
}

bool BlockWriter::take_off(std::size_t blocks_max) {
  for (std::size_t i = 0; i < blocks_max; ++i) {
    // Where the next block begins says that the first one has nothing else. The last block stays.
    MDB_val key;
    MDB_val block;
    if (!lmdb_found(mdb_cursor_get(cursor_, &key, &block, MDB_FIRST), "cursor_get")) return false;
    if (!lmdb_found(mdb_cursor_get(cursor_, &key, &block, MDB_NEXT), "cursor_get")) return false;
    if (view_of(key) > front_) return false;
    lmdb_must(mdb_cursor_get(cursor_, &key, &block, MDB_FIRST), "cursor_get");
    lmdb_must(mdb_cursor_del(cursor_, 0), "cursor_del");
  }
  return true;
}

void BlockWriter::append(std::string_view key, std::string_view value) {
  const Sizes sizes = {static_cast<std::uint32_t>(key.size()),
                       static_cast<std::uint32_t>(value.size())};
  const std::size_t size = sizeof sizes + key.size() + value.size();
  if (!block_.empty() && block_.size() + size > kBlockBytesMax) finish();
  if (block_.empty()) block_key_ = key;
  block_.append(reinterpret_cast<const char*>(sizes.data()), sizeof sizes);
  block_.append(key);
  block_.append(value);
}

void BlockWriter::finish() {
  if (block_.empty()) return;
  MDB_val key = val_of(block_key_);
  MDB_val block = val_of(block_);
  lmdb_must(mdb_cursor_put(cursor_, &key, &block, MDB_APPEND), "put");
  block_.clear();
}

}  // namespace coord::service

// Queues in LMDB (tables.h, is_queue).
//
// A queue's records lie in blocks, as many of them to each as fit half a page of LMDB's: what LMDB
// does for each record of its own, above all when it goes, is done for some of the queue's at a
// time. A record that does not fit is a block by itself.
//
//   key of a block:    that of its first record
//   value of a block:  its records one after the other:
//                        bytes of the key (4), bytes of the value (4), the key, the value
//                      with numbers in the machine's byte order, as LMDB has its own
//
// What goes from the front is hidden at once by a key, the front, which is kept in the database
// "store". A block goes with a later move of the front, once the next one begins where that is or
// before; so the last one stays.
//
// The reading side belongs to the thread of its transaction, and so does the writing side.
#pragma once

#include <lmdb.h>

#include <optional>
#include <string>
#include <string_view>

#include "service/store/layers.h"

namespace coord::service {

// Before it there is nothing in the queue; empty if nothing was ever taken off. Valid as long as
// the transaction. Readers seek nothing before it.
std::string_view queue_front(MDB_txn* txn, const Databases& databases, Table queue);

std::optional<std::string_view> blocks_get(MDB_txn* txn, const Databases& databases, Table queue,
                                           std::string_view key);

// Walks a queue. Must be destroyed before its transaction's environment.
class BlockCursor {
 public:
  BlockCursor(MDB_txn* txn, const Databases& databases, Table queue, std::string_view from);
  ~BlockCursor();
  BlockCursor(const BlockCursor&) = delete;
  BlockCursor& operator=(const BlockCursor&) = delete;

  bool valid() const { return valid_; }
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  void next();

 private:
  bool move(MDB_cursor_op op);
  bool move_to_block_of(std::string_view key);
  void read();

  MDB_cursor* cursor_ = nullptr;
  MDB_val block_key_{};
  std::string_view rest_;  // of the block, behind the current record
  std::string_view key_;
  std::string_view value_;
  bool valid_ = false;
};

// Writes one queue within one write transaction.
class BlockWriter {
 public:
  BlockWriter(MDB_txn* txn, const Databases& databases, Table queue);
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  // What is before it is hidden when the transaction is committed.
  void set_front(std::string_view front);
  // Takes off some of what is before the front. True if there may be more of it.
  bool take_off(std::size_t blocks_max);
  void append(std::string_view key, std::string_view value);
  // After the last record.
  void finish();

 private:
  MDB_txn* txn_;
  const Databases& databases_;
  Table queue_;
  MDB_cursor* cursor_ = nullptr;
  std::string front_;
  std::string block_key_;
  std::string block_;  // what is appended next
};

}  // namespace coord::service

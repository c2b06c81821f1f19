// Reads of a queue what the loop is about to read. Nobody has needed it since it was written, an
// hour ago perhaps, so that the kernel may have dropped it, and LMDB waits for the disk page by
// page: the loop when history is compacted, and with it every write, and the flusher when it takes
// the pages off.
//
// What LMDB fails at is not told here: whoever needs it finds out.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "service/store/environment.h"
#include "service/store/worker.h"

namespace coord::service {

// Of one queue. Loop thread, and may go on any; what it does it does on a thread of its own.
class QueueReadAhead {
 public:
  // How far ahead. Of a block that is larger than a page the first page counts, and is all that is
  // read: there its first record begins, and hardly anybody needs more of it to compact it and take
  // it off.
  static constexpr std::size_t kBytes = std::size_t{4} << 20;

  // Keeps the environment. Throws std::system_error where the system has no more threads.
  QueueReadAhead(std::shared_ptr<const Environment> environment, Table queue);
  // Waits for no more than what one look-up reads, and for a look at the memory.
  ~QueueReadAhead();
  QueueReadAhead(const QueueReadAhead&) = delete;
  QueueReadAhead& operator=(const QueueReadAhead&) = delete;

  // From that key on, which does not go back. Cheap.
  void from(std::string_view key);
  // That were read, in all.
  std::size_t blocks_read() const { return blocks_read_.load(std::memory_order_relaxed); }

 private:
  struct Block {
    std::string key;
    std::size_t bytes;
  };

  void run();
  // True if there is more to be read at once.
  bool read_some(MDB_txn* txn, std::string_view from);
  void read(const MDB_val& key, const MDB_val& block);

  const std::shared_ptr<const Environment> environment_;
  const Table queue_;

  // The worker's: what is ahead of where it was told to begin.
  std::deque<Block> ahead_;
  std::size_t ahead_bytes_ = 0;
  std::atomic<std::size_t> blocks_read_ = 0;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;
  std::string from_;      // guarded by mutex_
  bool running_ = false;  // guarded by mutex_

  Worker worker_;  // last: it uses everything above
};

}  // namespace coord::service

#include "service/store/queue_read_ahead.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace coord::service {

namespace {
using Clock = std::chrono::steady_clock;

// Of one transaction: LMDB cannot use again what it still sees.
constexpr std::chrono::milliseconds kTransactionMax{20};
constexpr std::size_t kPageBytes = 4096;
// Blocks between two looks at the memory: with each the kernel may map what stands around it.
constexpr std::size_t kBlocksPerLook = 64;

struct CloseCursor {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
}  // namespace

QueueReadAhead::QueueReadAhead(std::shared_ptr<const Environment> environment, Table queue)
    : environment_(std::move(environment)), queue_(queue), worker_(nullptr) {}

QueueReadAhead::~QueueReadAhead() {
  stopping_ = true;
}

void QueueReadAhead::from(std::string_view key) {
  {
    const std::lock_guard lock(mutex_);
    from_ = key;
    if (std::exchange(running_, true)) return;
  }
  worker_.run([this] { run(); });
}

void QueueReadAhead::run() {
  std::string from;
  bool more = true;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || (!more && from == from_)) {
        running_ = false;
        return;
      }
      from = from_;
    }
    try {
      MDB_txn* txn = nullptr;
      lmdb_must(mdb_txn_begin(environment_->env(), nullptr, MDB_RDONLY, &txn), "txn_begin");
      const TxnGuard guard(txn);
      more = read_some(txn, from);
    } catch (const LmdbFailure&) {
      more = false;
    }
    environment_->look_after_memory();
  }
}

bool QueueReadAhead::read_some(MDB_txn* txn, std::string_view from) {
  while (!ahead_.empty() && ahead_.front().key < from) {
    ahead_bytes_ -= ahead_.front().bytes;
    ahead_.pop_front();
  }
  if (ahead_bytes_ >= kBytes) return false;
  MDB_cursor* opened = nullptr;
  lmdb_must(mdb_cursor_open(txn, environment_->databases().of(queue_), &opened), "cursor_open");
  const std::unique_ptr<MDB_cursor, CloseCursor> cursor(opened);
  const std::string last = ahead_.empty() ? std::string(from) : ahead_.back().key;
  MDB_val key = val_of(last);
  MDB_val block;
  // To LMDB the empty key is no key.
  const MDB_cursor_op first = last.empty() ? MDB_FIRST : MDB_SET_RANGE;
  if (!lmdb_found(mdb_cursor_get(opened, &key, &block, first), "cursor_get")) return false;
  const Clock::time_point until = Clock::now() + kTransactionMax;
  while (ahead_bytes_ < kBytes && !stopping_ && Clock::now() < until) {
    if (ahead_.empty() || view_of(key) > ahead_.back().key) read(key, block);
    if (!lmdb_found(mdb_cursor_get(opened, &key, &block, MDB_NEXT), "cursor_get")) return false;
  }
  return ahead_bytes_ < kBytes;
}

void QueueReadAhead::read(const MDB_val& key, const MDB_val& block) {
  // One in pages of its own LMDB has not touched.
  static_cast<void>(*static_cast<const volatile char*>(block.mv_data));
  const std::size_t bytes = std::min(block.mv_size, kPageBytes);
  ahead_.push_back({std::string(view_of(key)), bytes});
  ahead_bytes_ += bytes;
  if (blocks_read_.fetch_add(1, std::memory_order_relaxed) % kBlocksPerLook == 0) {
    environment_->look_after_memory();
  }
}

}  // namespace coord::service

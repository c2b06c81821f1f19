#include "service/store/queue_read_ahead.h"

#include <utility>

namespace coord::service {

namespace {
// Within one transaction: LMDB cannot use again what it still sees.
constexpr std::size_t kBlocksMax = 256;
constexpr std::size_t kPageBytes = 4096;

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
  if (!lmdb_found(mdb_cursor_get(opened, &key, &block, MDB_SET_RANGE), "cursor_get")) return false;
  for (std::size_t i = 0; i < kBlocksMax && ahead_bytes_ < kBytes && !stopping_; ++i) {
    if (ahead_.empty() || view_of(key) > ahead_.back().key) read(key, block);
    if (!lmdb_found(mdb_cursor_get(opened, &key, &block, MDB_NEXT), "cursor_get")) return false;
  }
  return ahead_bytes_ < kBytes;
}

void QueueReadAhead::read(const MDB_val& key, const MDB_val& block) {
  // That its first page is here LMDB has seen to; a large one has more of them.
  const auto* bytes = static_cast<const volatile char*>(block.mv_data);
  for (std::size_t at = 0; at < block.mv_size; at += kPageBytes) static_cast<void>(bytes[at]);
  ahead_.push_back({std::string(view_of(key)), block.mv_size});
  ahead_bytes_ += block.mv_size;
  blocks_read_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace coord::service

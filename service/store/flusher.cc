#include "service/store/flusher.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "raft/base/check.h"
#include "raft/base/limits.h"

namespace coord::service {

namespace {
constexpr int kNice = 10;
}

Flusher::Flusher(Environment& environment, std::function<void(Flushed)> finished)
    : environment_(environment), finished_(std::move(finished)), thread_([this] { run(); }) {}

Flusher::~Flusher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Flusher::write(const Overlay& overlay) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(job_ == nullptr, "one flush at a time");
    job_ = &overlay;
  }
  wake_.notify_one();
}

void Flusher::recycle(std::unique_ptr<Overlay> overlay) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(used_ == nullptr, "the one before was cleared before the last flush");
    used_ = std::move(overlay);
  }
  wake_.notify_one();
}

std::unique_ptr<Overlay> Flusher::take_empty() {
  {
    const std::lock_guard lock(mutex_);
    if (empty_ != nullptr) return std::move(empty_);
  }
  return std::make_unique<Overlay>();
}

void Flusher::run() {
  // A flush keeps a processor busy for a while and is in no hurry: the loop and the log come first.
  // On Linux a nice value is a thread's own. Where it is refused nothing changes.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice));
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || job_ != nullptr || used_ != nullptr; });
    if (used_ != nullptr) {
      // Before the next job: so there is never a second one waiting.
      std::unique_ptr<Overlay> overlay = std::move(used_);
      lock.unlock();
      overlay->clear(2 * limits::kOverlayBytesMax);
      lock.lock();
      empty_ = std::move(overlay);
    } else if (job_ != nullptr) {
      const Overlay& job = *job_;
      lock.unlock();
      Flushed flushed = flush(job);
      lock.lock();
      job_ = nullptr;
      lock.unlock();
      finished_(std::move(flushed));
      lock.lock();
    } else {
      return;
    }
  }
}

Flusher::Flushed Flusher::flush(const Overlay& overlay) {
  const auto begun_at = std::chrono::steady_clock::now();
  Flushed flushed;
  MDB_txn* txn = nullptr;
  try {
    lmdb_must(mdb_txn_begin(environment_.env(), nullptr, 0, &txn), "txn_begin");
    write_tables(txn, overlay);
    // Frees the transaction whether or not it succeeds.
    lmdb_must(mdb_txn_commit(std::exchange(txn, nullptr)), "txn_commit");
  } catch (const LmdbFailure& failure) {
    if (txn != nullptr) mdb_txn_abort(txn);
    flushed.status = environment_.describe(failure);
  }
  flushed.operations = overlay.size();
  flushed.time = std::chrono::steady_clock::now() - begun_at;
  flushed.disk_bytes = environment_.disk_bytes();
  return flushed;
}

void Flusher::write_tables(MDB_txn* txn, const Overlay& overlay) {
  LayerWriter writer(txn, environment_.databases());
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const Table table = static_cast<Table>(i);
    const Overlay::Records& records = overlay.records(table);
    if (records.empty()) continue;
    writer.begin(table);
    for (const Overlay::Slot& slot : records) {
      const Overlay::Record& record = *slot.record;
      if (record.erased) {
        writer.erase(record.key());
      } else {
        writer.put(record.key(), record.value());
      }
    }
  }
  writer.finish();
}

}  // namespace coord::service

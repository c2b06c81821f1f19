#include "service/store/flusher.h"

#include <chrono>
#include <utility>

#include "raft/base/check.h"
#include "raft/base/limits.h"
#include "service/store/blocks.h"
#include "service/store/paced_sync.h"
#include "service/store/worker.h"

namespace coord::service {

namespace {
// Records of LMDB's after which the memory is looked at: each may bring in some pages of each
// level.
constexpr std::size_t kLookInterval = 64;
// More often nobody needs to be told.
constexpr double kAdvanceMin = 1.0 / 128;

}  // namespace

Flusher::Flusher(std::function<void()> advanced, std::function<void(Flushed)> finished)
    : advanced_(std::move(advanced)), finished_(std::move(finished)), thread_([this] { work(); }) {}

Flusher::~Flusher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Flusher::write(Environment& environment, const Overlay& overlay) {
  {
    const std::lock_guard lock(mutex_);
    CHECK(!job_, "one flush at a time");
    job_.emplace(Job{environment, overlay});
    progress_ = 0;
  }
  wake_.notify_one();
}

void Flusher::run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
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

void Flusher::work() {
  // It does not give way: what is not written takes memory, and when there is too much of it
  // nothing is applied, so that beside a busy loop all would wait for a flush that starves.
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || job_ || used_ != nullptr || !tasks_.empty(); });
    if (used_ != nullptr) {
      // Before the next job: so there is never a second one waiting.
      std::unique_ptr<Overlay> overlay = std::move(used_);
      lock.unlock();
      overlay->clear(limits::kOverlayBytesMax);
      lock.lock();
      empty_ = std::move(overlay);
    } else if (job_) {
      const Job job = *job_;
      lock.unlock();
      Flushed flushed = flush(job);
      lock.lock();
      job_.reset();
      lock.unlock();
      finished_(std::move(flushed));
      lock.lock();
    } else if (!tasks_.empty()) {
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    } else {
      return;
    }
  }
}

Flusher::Flushed Flusher::flush(const Job& job) {
  using Clock = std::chrono::steady_clock;
  const auto begun_at = Clock::now();
  course_.begin(job.overlay.size(), job.overlay.bytes(), begun_at);
  Flushed flushed;
  MDB_txn* txn = nullptr;
  try {
    lmdb_must(mdb_txn_begin(job.environment.env(), nullptr, 0, &txn), "txn_begin");
    write_tables(txn, job);
    course_.all_changed(Clock::now());
    PacedSync paced(
        job.environment.env(),
        {.given = [this](std::uint64_t bytes) { advance(course_.gave(bytes)); },
         .written = [this](double part) { advance(course_.written(part, Clock::now())); }});
    // Frees the transaction whether or not it succeeds.
    lmdb_must(mdb_txn_commit(std::exchange(txn, nullptr)), "txn_commit");
    course_.end(Clock::now());
  } catch (const LmdbFailure& failure) {
    if (txn != nullptr) mdb_txn_abort(txn);
    flushed.status = job.environment.describe(failure);
  }
  progress_ = 1;
  flushed.operations = job.overlay.size();
  flushed.time = Clock::now() - begun_at;
  flushed.disk_bytes = job.environment.disk_bytes();
  return flushed;
}

void Flusher::write_queue(MDB_txn* txn, const Job& job, Table queue) {
  BlockWriter writer(txn, job.environment.databases(), queue);
  if (const std::string_view front = job.overlay.front(queue); !front.empty()) {
    writer.set_front(front);
    while (writer.take_off(kLookInterval)) job.environment.look_after_memory();
  }
  for (const Overlay::Slot& slot : job.overlay.records(queue)) {
    wrote_record(job);
    writer.append(slot.key(), slot.record->value());
  }
  writer.finish();
}

void Flusher::wrote_record(const Job& job) {
  if (++records_written_ % kLookInterval != 0) return;
  job.environment.look_after_memory();
  advance(course_.changed(records_written_));
}

void Flusher::advance(double progress) {
  if (progress - this->progress() < kAdvanceMin) return;
  progress_ = progress;
  if (advanced_) advanced_();
}

void Flusher::write_tables(MDB_txn* txn, const Job& job) {
  records_written_ = 0;
  LayerWriter writer(txn, job.environment.databases());
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const Table table = static_cast<Table>(i);
    if (is_queue(table)) {
      write_queue(txn, job, table);
      continue;
    }
    const Overlay::Records& records = job.overlay.records(table);
    if (records.empty()) continue;
    writer.begin(table);
    for (const Overlay::Slot& slot : records) {
      wrote_record(job);
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

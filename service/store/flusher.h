// The thread that writes frozen overlays to LMDB, its only writer. It also clears overlays that
// have been written and dropped, because giving back an overlay's memory takes longer than the loop
// may take for anything; and so does closing an environment, or opening one.
//
// Loop thread, except what says otherwise; `advanced` and `finished` are called, and tasks run, on
// the flusher's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "service/store/environment.h"
#include "service/store/flush_progress.h"
#include "service/store/overlay.h"

namespace coord::service {

class Flusher {
 public:
  struct Flushed {
    Status status;
    std::uint64_t operations = 0;
    nanoseconds time{0};
    std::uint64_t disk_bytes = 0;
  };

  // `advanced` is called whenever progress() has grown a little, some hundred times in a flush. May
  // be null.
  Flusher(std::function<void()> advanced, std::function<void(Flushed)> finished);
  // Finishes the flush and the tasks that are under way.
  ~Flusher();
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  // One at a time. The overlay must not change or go until `finished` was called.
  void write(Environment& environment, const Overlay& overlay);
  // About how much of the time that the flush under way takes has gone by, from 0 to 1, by what it
  // has done; 1 if there is none. Any thread.
  double progress() const { return progress_.load(std::memory_order_relaxed); }
  // Done between flushes.
  void run(std::function<void()> task);
  // An overlay that nobody needs any more.
  void recycle(std::unique_ptr<Overlay> overlay);
  // An empty overlay: a recycled one if there is one by now.
  std::unique_ptr<Overlay> take_empty();

 private:
  struct Job {
    Environment& environment;
    const Overlay& overlay;
  };

  void work();
  Flushed flush(const Job& job);
  void write_tables(MDB_txn* txn, const Job& job);
  void write_queue(MDB_txn* txn, const Job& job, Table queue);
  void wrote_record(const Job& job);
  void advance(double progress);

  const std::function<void()> advanced_;
  const std::function<void(Flushed)> finished_;
  std::atomic<double> progress_ = 1;
  // The flusher's thread only.
  std::size_t records_written_ = 0;  // of the flush under way
  FlushProgress course_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::optional<Job> job_;
  std::deque<std::function<void()>> tasks_;
  std::unique_ptr<Overlay> used_;
  std::unique_ptr<Overlay> empty_;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace coord::service

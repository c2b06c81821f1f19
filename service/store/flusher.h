// The thread that writes frozen overlays to LMDB, its only writer. It also clears overlays that
// have been written and dropped, because giving back an overlay's memory takes longer than the loop
// may take for anything.
//
// Loop thread, except that `finished` is called on the flusher's.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "service/store/environment.h"
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

  Flusher(Environment& environment, std::function<void(Flushed)> finished);
  // Finishes the flush that is under way.
  ~Flusher();
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  // One at a time. The overlay must not change or go until `finished` was called.
  void write(const Overlay& overlay);
  // An overlay that nobody needs any more.
  void recycle(std::unique_ptr<Overlay> overlay);
  // An empty overlay: a recycled one if there is one by now.
  std::unique_ptr<Overlay> take_empty();

 private:
  void run();
  Flushed flush(const Overlay& overlay);
  void write_tables(MDB_txn* txn, const Overlay& overlay);

  Environment& environment_;
  const std::function<void(Flushed)> finished_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  const Overlay* job_ = nullptr;
  std::unique_ptr<Overlay> used_;
  std::unique_ptr<Overlay> empty_;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace coord::service

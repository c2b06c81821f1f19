// Makes a snapshot: a compacting copy of what LMDB holds when it begins, on threads of its own.
// The loop reads and the flusher writes meanwhile; what the flusher replaces stays on disk until
// the copy is made, so that the file grows by that.
//
// Made and destroyed on the loop's thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "raft/base/hash.h"
#include "service/store/environment.h"
#include "service/store/paced_file.h"
#include "service/store/snapshot.h"

namespace coord::service {

class Copier {
 public:
  // `finished` is called once, on the copier's thread: kStorageFull, kIo, kCancelled, kCorrupt.
  Copier(std::shared_ptr<Environment> environment, CopyOptions options,
         std::function<void(Result<Snapshot>)> finished);
  // Cancels, and waits until the thread has ended.
  ~Copier();
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  // Ends the copy soon. Without effect on one that is nearly done.
  void cancel();

 private:
  Result<Snapshot> copy();
  // Has LMDB write its copy into a pipe, and does with what comes out of it what is wanted.
  Status pump(PacedFile& file, Hasher64& hasher);
  Status drain(int pipe, PacedFile& file, Hasher64& hasher);
  // Waits until that much may have been written. False if cancelled.
  bool pace(std::uint64_t bytes);

  const std::shared_ptr<Environment> environment_;
  const CopyOptions options_;
  const std::function<void(Result<Snapshot>)> finished_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool cancelled_ = false;  // guarded by mutex_
  std::chrono::steady_clock::time_point begun_at_;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace coord::service

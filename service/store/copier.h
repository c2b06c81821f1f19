// Makes a snapshot: a compacting copy of what LMDB holds when it begins, on threads of its own.
// The loop reads and the flusher writes meanwhile; what the flusher replaces stays on disk until
// the copy is made, so that the file grows by that.
//
// Made and destroyed on the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
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
  ~Copier() = default;
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  // Ends the copy soon. Without effect on one that is nearly done.
  void cancel() { thread_.request_stop(); }

 private:
  Result<Snapshot> copy(const std::stop_token& stop);
  // Has LMDB write its copy into a pipe, and does with what comes out of it what is wanted.
  Status pump(const std::stop_token& stop, PacedFile& file, Hasher64& hasher);
  Status drain(const std::stop_token& stop, int pipe, PacedFile& file, Hasher64& hasher);

  const std::shared_ptr<Environment> environment_;
  const CopyOptions options_;
  const std::function<void(Result<Snapshot>)> finished_;

  std::jthread thread_;  // last: it uses everything above
};

}  // namespace coord::service

// A commit of LMDB's that is written beside a log that has to stay quick. LMDB gives the kernel all
// pages of a transaction and then asks for them to be on disk; the disk gets thousands of scattered
// writes at once, and a sync of the log waits behind them. While one of these lives, what its
// thread asks to be synced of the environment's file is written in parts first, one after the
// other, so that at most one of them is before whatever else wants the disk.
//
// LMDB has nothing to hook into between its writes and its fdatasync(). This file therefore defines
// that function for the whole program: whatever is not paced goes on to the C library's at once,
// and what is paced does so after its parts. What a sync means stays as it is.
//
// An object belongs to one thread, which may have one at a time. Where the file system has no such
// thing nothing is paced.
#pragma once

#include <lmdb.h>

#include <functional>

namespace coord::service {

class PacedSync {
 public:
  // `advanced` is called after each part with how much has been written, from 0 to 1. It is called
  // from within LMDB, and must not throw.
  explicit PacedSync(MDB_env* env, std::function<void(double)> advanced = nullptr);
  ~PacedSync();
  PacedSync(const PacedSync&) = delete;
  PacedSync& operator=(const PacedSync&) = delete;

  // What happens before a sync of that file by this thread; false with errno if it failed.
  static bool before_sync(int file) noexcept;

 private:
  bool write_parts();

  const std::function<void(double)> advanced_;
  int file_ = -1;
};

}  // namespace coord::service

// A commit of LMDB's that is written beside a log that has to stay quick. LMDB gives the kernel all
// pages of a transaction and then asks for them to be on disk; the disk gets thousands of scattered
// writes at once, and a sync of the log waits behind them. While one of these lives, what its
// thread asks to be synced of the environment's file is written in parts first, one after the
// other, so that at most one of them is before whatever else wants the disk.
//
// LMDB has nothing to hook into, neither between its writes and its fdatasync() nor within them.
// This file therefore defines fdatasync(), pwrite() and writev() for the whole program: whatever is
// not paced goes on to the C library's at once, and so does what is paced, a sync after its parts.
// What they mean stays as it is.
//
// An object belongs to one thread, which may have one at a time. Where the file system has no such
// thing nothing is paced.
#pragma once

#include <lmdb.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>

namespace coord::service {

class PacedSync {
 public:
  // How far a commit has come. Both are called from within LMDB, and must not throw; either may be
  // null.
  struct Progress {
    // So many bytes more were given to the kernel.
    std::function<void(std::uint64_t)> given;
    // That part of the file has been written, from 0 to 1: before the first part, and after each.
    std::function<void(double)> written;
  };

  explicit PacedSync(MDB_env* env, Progress progress = {});
  ~PacedSync();
  PacedSync(const PacedSync&) = delete;
  PacedSync& operator=(const PacedSync&) = delete;

  // What happens before a sync of that file by this thread; false with errno if it failed.
  static bool before_sync(int file) noexcept;
  // What happens after a write to that file by this thread, of so many bytes or, below zero, none.
  static void after_write(int file, ssize_t bytes) noexcept;

 private:
  bool write_parts();

  const Progress progress_;
  int file_ = -1;
};

}  // namespace coord::service

// Sleeping, for threads that may be told to stop.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "raft/base/types.h"

namespace coord::service {

// False, and at once, if the thread is to stop.
inline bool sleep_until(const std::stop_token& stop, std::chrono::steady_clock::time_point then) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_until(lock, stop, then, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace coord::service

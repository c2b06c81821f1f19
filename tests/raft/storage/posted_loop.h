// The loop's side of the log writer: runs on the test's thread what was posted from the other one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "raft/storage/log_writer.h"

namespace coord::raft::testing {

class PostedLoop {
 public:
  LogWriter::Post post() {
    return [this](std::function<void()> run) {
      {
        const std::lock_guard lock(mutex_);
        posted_.push_back(std::move(run));
      }
      wake_.notify_one();
    };
  }
  // Runs what is posted until the condition holds; false if that takes far too long.
  template <class Condition>
  bool run_until(Condition condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (!run_one(give_up)) return false;
    }
    return true;
  }
  // Waits for one.
  bool run_one() { return run_one(std::chrono::steady_clock::now() + std::chrono::seconds(30)); }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return posted_.size();
  }
  void run_all() {
    std::deque<std::function<void()>> posted;
    {
      const std::lock_guard lock(mutex_);
      posted.swap(posted_);
    }
    for (auto& run : posted) run();
  }

 private:
  bool run_one(std::chrono::steady_clock::time_point give_up) {
    std::unique_lock lock(mutex_);
    if (!wake_.wait_until(lock, give_up, [&] { return !posted_.empty(); })) return false;
    auto run = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    run();
    return true;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> posted_;
};

}  // namespace coord::raft::testing

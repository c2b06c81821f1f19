// A thread for what must not be done on the loop's: one job after the other, in order.
//
// Loop thread, except that jobs run on the worker's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "raft/base/error.h"

namespace coord::service {

inline constexpr int kWorkerNice = 2;

// Lets the calling thread, and those that it starts, give way to the loop and the log.
void give_way(int nice = kWorkerNice);

// What std::thread throws where the system has no more of them.
Error no_thread(const std::system_error& refused);

class Worker {
 public:
  using Post = std::function<void(std::function<void()>)>;

  // `post` runs what it is given on the loop's thread, in order, and may be called from any.
  explicit Worker(Post post);
  // As stop(). No `done` runs after this.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Finishes the job under way and drops the others, also those that come later: nothing is posted
  // after this.
  void stop();

  void run(std::function<void()> job);
  // `done` gets what the job returned, on the loop's thread.
  template <class Job, class Done>
  void run(Job job, Done done) {
    run([post = post_, alive = std::weak_ptr<int>(alive_), job = std::move(job),
         done = std::move(done)]() mutable {
      post([alive = std::move(alive), done = std::move(done), result = job()]() mutable {
        if (!alive.expired()) done(std::move(result));
      });
    });
  }

 private:
  void work();

  const Post post_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_

  std::thread thread_;  // last: it uses everything above
};

}  // namespace coord::service

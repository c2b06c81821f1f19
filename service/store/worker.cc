#include "service/store/worker.h"

#include <sys/resource.h>
#include <unistd.h>

#include "raft/base/result.h"

namespace coord::service {

void give_way(int nice) {
  // On Linux a nice value is a thread's own, and inherited. Where it is refused nothing changes.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice));
}

Error no_thread(const std::system_error& refused) {
  return make_error(ErrorCode::kIo, "cannot start a thread: {}", refused.what());
}

Worker::Worker(Post post) : post_(std::move(post)), thread_([this] { work(); }) {}

Worker::~Worker() {
  stop();
}

void Worker::stop() {
  // They go when the thread has, and without the lock: what they hold may come back to run().
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Worker::work() {
  give_way();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes before the next one is waited for
    lock.lock();
  }
}

}  // namespace coord::service

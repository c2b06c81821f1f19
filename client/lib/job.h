// What crosses from a caller's thread to the I/O thread.
#pragma once

#include <memory>
#include <utility>

namespace coord::internal {

class Core;

class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  // On the I/O thread. The job owns itself from here on.
  virtual void run(std::unique_ptr<Job> self, Core& core) = 0;
  // Instead of run(), when the client is gone; any thread.
  virtual void abandon() = 0;

  std::unique_ptr<Job> next_job;
};

// Jobs in order. Not thread-safe by itself.
class JobList {
 public:
  JobList() = default;
  JobList(JobList&& other) noexcept
      : first_(std::move(other.first_)), last_(std::exchange(other.last_, nullptr)) {}
  JobList& operator=(JobList&&) = delete;
  ~JobList() {
    while (pop() != nullptr) {
    }
  }

  bool empty() const { return first_ == nullptr; }
  void push(std::unique_ptr<Job> job) {
    Job* added = job.get();
    (last_ == nullptr ? first_ : last_->next_job) = std::move(job);
    last_ = added;
  }
  std::unique_ptr<Job> pop() {
    std::unique_ptr<Job> job = std::move(first_);
    if (job != nullptr) first_ = std::move(job->next_job);
    if (first_ == nullptr) last_ = nullptr;
    return job;
  }

 private:
  std::unique_ptr<Job> first_;
  Job* last_ = nullptr;
};

}  // namespace coord::internal

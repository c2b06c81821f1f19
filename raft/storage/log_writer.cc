#include "raft/storage/log_writer.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "raft/base/check.h"

namespace coord::raft {

namespace {

struct ReadRequest {
  Index from;
  Index through;
  std::size_t bytes_max;
  std::function<void(Result<Log::Slice>)> done;
};

struct CutRequest {
  Index through;
  std::function<void(Index)> done;
};

using Request = std::variant<Durable, ReadRequest, CutRequest>;

nanoseconds since(std::chrono::steady_clock::time_point start) {
  return std::chrono::steady_clock::now() - start;
}

std::uint64_t payload_bytes(std::span<const Durable> batches) {
  std::uint64_t bytes = 0;
  for (const Durable& batch : batches) {
    for (const Entry& entry : batch.append) bytes += entry.payload.size();
  }
  return bytes;
}

}  // namespace

class LogWriter::Impl {
 public:
  Impl(std::unique_ptr<Log> log, Post post, Handlers handlers)
      : log_(std::move(log)),
        post_(std::move(post)),
        loop_(std::make_shared<LoopSide>(LoopSide{std::move(handlers), false})),
        thread_([this] { run(); }) {}

  ~Impl() {
    // Posted completions that have not run yet find the writer gone.
    loop_->closed = true;
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void submit(Request request) {
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(request));
      // A thread that is writing looks at the queue again by itself.
      wake = waiting_;
    }
    if (wake) wake_.notify_one();
  }

  Stats stats() const {
    return {.batches = batches_.load(std::memory_order_relaxed),
            .syncs = syncs_.load(std::memory_order_relaxed),
            .bytes = bytes_.load(std::memory_order_relaxed),
            .sync_time_total = nanoseconds(sync_ns_total_.load(std::memory_order_relaxed)),
            .sync_time_max = nanoseconds(sync_ns_max_.load(std::memory_order_relaxed))};
  }

 private:
  // Touched on the loop's thread only, where the completions run.
  struct LoopSide {
    Handlers handlers;
    bool closed;
  };

  void run() {
    std::vector<Request> requests;
    std::vector<Durable> group;
    while (take(requests)) {
      for (Request& request : requests) {
        if (auto* batch = std::get_if<Durable>(&request)) {
          group.push_back(std::move(*batch));
          continue;
        }
        write(group);
        if (auto* read = std::get_if<ReadRequest>(&request)) serve(std::move(*read));
        if (auto* cut = std::get_if<CutRequest>(&request)) serve(std::move(*cut));
      }
      write(group);
      requests.clear();
    }
  }

  // Waits for requests; false if the writer is closing.
  bool take(std::vector<Request>& requests) {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    waiting_ = false;
    std::swap(requests, queue_);
    return !stop_;
  }

  void write(std::vector<Durable>& group) {
    if (group.empty()) return;
    if (failed_) {
      group.clear();
      return;
    }
    const auto start = std::chrono::steady_clock::now();
    const Status written = log_->write(group);
    const std::uint64_t ns = static_cast<std::uint64_t>(since(start).count());
    if (!written.ok()) {
      fail(written.error());
    } else {
      // Relaxed: this thread alone writes them, and readers want no more than recent numbers.
      batches_.fetch_add(group.size(), std::memory_order_relaxed);
      syncs_.fetch_add(1, std::memory_order_relaxed);
      bytes_.fetch_add(payload_bytes(group), std::memory_order_relaxed);
      sync_ns_total_.fetch_add(ns, std::memory_order_relaxed);
      if (ns > sync_ns_max_.load(std::memory_order_relaxed)) {
        sync_ns_max_.store(ns, std::memory_order_relaxed);
      }
      post([ticket = group.back().ticket](Handlers& handlers) { handlers.persisted(ticket); });
    }
    group.clear();
  }

  void serve(ReadRequest request) {
    Result<Log::Slice> slice = failed_
                                   ? Result<Log::Slice>(*failed_)
                                   : log_->read(request.from, request.through, request.bytes_max);
    if (!failed_ && !slice.ok() && slice.error().code != ErrorCode::kCompacted &&
        slice.error().code != ErrorCode::kInvalidArgument) {
      fail(slice.error());
    }
    post([done = std::move(request.done), slice = std::move(slice)](Handlers&) mutable {
      done(std::move(slice));
    });
  }

  void serve(CutRequest request) {
    if (failed_) return;
    const auto first = log_->cut(request.through);
    if (!first.ok()) return fail(first.error());
    post([done = std::move(request.done), first = *first](Handlers&) { done(first); });
  }

  void fail(const Error& error) {
    failed_ = error;
    post([error](Handlers& handlers) { handlers.failed(error); });
  }

  template <class Completion>
  void post(Completion completion) {
    post_([loop = loop_, completion = std::move(completion)]() mutable {
      if (!loop->closed) completion(loop->handlers);
    });
  }

  // The thread's own.
  std::unique_ptr<Log> log_;
  std::optional<Error> failed_;

  const Post post_;
  const std::shared_ptr<LoopSide> loop_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Request> queue_;  // guarded by mutex_
  bool waiting_ = false;        // guarded by mutex_
  bool stop_ = false;           // guarded by mutex_

  std::atomic<std::uint64_t> batches_ = 0;
  std::atomic<std::uint64_t> syncs_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> sync_ns_total_ = 0;
  std::atomic<std::uint64_t> sync_ns_max_ = 0;

  std::thread thread_;  // last: everything it uses is there before it starts
};

LogWriter::LogWriter(std::unique_ptr<Log> log, Post post, Handlers handlers)
    : impl_(std::make_unique<Impl>(std::move(log), std::move(post), std::move(handlers))) {}

LogWriter::~LogWriter() = default;

void LogWriter::submit(Durable batch) {
  impl_->submit(std::move(batch));
}

void LogWriter::read(Index from, Index through, std::size_t bytes_max,
                     std::function<void(Result<Log::Slice>)> done) {
  impl_->submit(ReadRequest{from, through, bytes_max, std::move(done)});
}

void LogWriter::cut(Index through, std::function<void(Index)> done) {
  impl_->submit(CutRequest{through, std::move(done)});
}

LogWriter::Stats LogWriter::stats() const {
  return impl_->stats();
}

}  // namespace coord::raft

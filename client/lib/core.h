// The client without its thread: everything that happens on the I/O loop, built from an
// Environment. A turn takes what other threads have submitted, then sends what is outstanding.
#pragma once

#include <kj/async.h>

#include <memory>
#include <utility>
#include <vector>

#include "client/lib/calls.h"
#include "client/lib/deadlines.h"
#include "client/lib/directory.h"
#include "client/lib/environment.h"
#include "client/lib/holds.h"
#include "client/lib/job.h"
#include "client/lib/reads.h"
#include "client/lib/sessions.h"
#include "client/lib/watches.h"
#include "client/lib/writes.h"
#include "coord/client.h"

namespace coord::internal {

// Sees to it that an operation is completed, also when its coroutine is dropped.
template <class Response>
class Finisher {
 public:
  explicit Finisher(CompletionPtr<Response> completion) : completion_(std::move(completion)) {}
  Finisher(Finisher&&) noexcept = default;
  ~Finisher() {
    if (completion_ == nullptr) return;
    Error error = make_error(ErrorCode::kCancelled, "the client was closed");
    error.outcome = Outcome::kUnknown;
    completion_->complete(std::move(error));
  }
  void complete(Response response) {
    std::exchange(completion_, nullptr)->complete(std::move(response));
  }

 private:
  CompletionPtr<Response> completion_;
};

class Core final : private kj::TaskSet::ErrorHandler {
 public:
  // `engine` is what the objects that are handed out refer to.
  Core(Environment environment, ClientOptions options, std::weak_ptr<Engine> engine);
  ~Core();

  // Runs at the end of this turn.
  void submit(std::unique_ptr<Job> job);
  void submit(JobList jobs);

  // Completes what is outstanding, gives back what is held, and calls `done`. Once.
  void close(std::function<void()> done);

  // Runs a coroutine to its end and completes the operation with what it returns.
  template <class Response>
  void spawn(CompletionPtr<Response> completion, rpc::Task<Response> task) {
    tasks_.add(finish(Finisher<Response>(std::move(completion)), std::move(task)));
  }
  void spawn(rpc::Task<void> task) { tasks_.add(std::move(task)); }

  // For handles that were dropped: nobody waits for the answer.
  rpc::Task<void> close_quietly(std::shared_ptr<LiveSession> session);
  rpc::Task<void> release_quietly(std::shared_ptr<LiveHold> hold);
  kj::Promise<Result<WatchUpdate>> next(std::shared_ptr<LiveWatch> watch,
                                        std::optional<milliseconds> timeout);

  const ClientOptions& options() const { return options_; }
  Environment& environment() { return environment_; }
  Directory& directory() { return directory_; }
  Calls& calls() { return calls_; }
  Sessions& sessions() { return sessions_; }
  Holds& holds() { return holds_; }
  Watches& watches() { return watches_; }
  Writes& writes() { return writes_; }
  Reads& reads(const Consistency& consistency) {
    return consistency.kind() == Consistency::Kind::kLinearizable ? linearizable_ : relaxed_;
  }
  EnginePtr engine() const { return engine_.lock(); }

  milliseconds timeout_or_default(milliseconds timeout) const {
    return timeout.count() > 0 ? timeout : options_.timeout;
  }
  Instant deadline(milliseconds timeout) const {
    return environment_.clock() + timeout_or_default(timeout);
  }

 private:
  template <class Response>
  static rpc::Task<void> finish(Finisher<Response> finisher, rpc::Task<Response> task) {
    finisher.complete(co_await std::move(task));
  }

  rpc::Task<void> give_back();
  void schedule_turn();
  void turn();
  void watch_flights();
  Pipeline::Parts parts();
  void taskFailed(kj::Exception&& exception) override;

  Environment environment_;
  const ClientOptions options_;
  const std::weak_ptr<Engine> engine_;
  JobList jobs_;
  bool scheduled_ = false;
  bool watching_ = false;
  bool closing_ = false;

  Directory directory_;
  Calls calls_;
  Sessions sessions_;
  Deadlines deadlines_;
  Writes writes_;
  Reads linearizable_;
  Reads relaxed_;
  Holds holds_;
  Watches watches_;
  kj::TaskSet tasks_;
};

}  // namespace coord::internal

// How an operation is started: blocking, or as an Asio asynchronous operation with any completion
// token (use_future, use_awaitable, a callback). Every operation of the library is one call of
// internal::call() or internal::async() with a value that says what to do.
//
// A completion runs on the executor that is associated with its handler; a handler without one runs
// on the client's I/O thread, where it must not block.
#pragma once

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "raft/base/result.h"

namespace coord::internal {

// What does the work, on its I/O thread. Its inside is the library's own.
class Engine;
using EnginePtr = std::shared_ptr<Engine>;

// Where the answer goes. `Response` is Result<T> or Status.
template <class Response>
class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  virtual ~Completion() = default;
  // Once, from any thread.
  virtual void complete(Response response) = 0;
};
template <class Response>
using CompletionPtr = std::unique_ptr<Completion<Response>>;

// Defined in the library for every Op of operations.h. Any thread; never blocks; completes exactly
// once, with kCancelled if the client is gone (or, null, never was).
template <class Op>
void start(const EnginePtr& engine, Op op, CompletionPtr<typename Op::Response> completion);

// True on the engine's own thread, where waiting for an answer would wait for ever.
bool on_io_thread(const Engine& engine);

struct NoExecutor {};

template <class Response, class Handler>
class HandlerCompletion final : public Completion<Response> {
 public:
  explicit HandlerCompletion(Handler handler)
      : handler_(std::move(handler)), work_(work_of(handler_)) {}

  void complete(Response response) override {
    if constexpr (kHasExecutor) {
      asio::dispatch(work_.get_executor(),
                     [handler = std::move(handler_), response = std::move(response)]() mutable {
                       std::move(handler)(std::move(response));
                     });
    } else {
      std::move(handler_)(std::move(response));
    }
  }

 private:
  using Executor = typename asio::associated_executor<Handler, NoExecutor>::type;
  static constexpr bool kHasExecutor = !std::is_same_v<Executor, NoExecutor>;

  // Keeps the handler's executor running until this thread has let go of it: whoever waits for its
  // run() to return may destroy it then, while a dispatch that has its handler run still signals.
  static auto work_of(const Handler& handler) {
    if constexpr (kHasExecutor) {
      return asio::executor_work_guard<Executor>(
          asio::associated_executor<Handler, NoExecutor>::get(handler));
    } else {
      return NoExecutor();
    }
  }
  using Work = decltype(work_of(std::declval<const Handler&>()));

  Handler handler_;
  Work work_;
};

// The answer, and the thread that waits for it.
template <class Response>
class Waiter {
 public:
  CompletionPtr<Response> completion() { return std::make_unique<Notify>(*this); }

  Response wait() {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [this] { return response_.has_value(); });
    return std::move(*response_);
  }

 private:
  class Notify final : public Completion<Response> {
   public:
    explicit Notify(Waiter& waiter) : waiter_(waiter) {}
    void complete(Response response) override {
      // Notified under the mutex: the waiter lives on a stack that may be gone right after it.
      std::lock_guard lock(waiter_.mutex_);
      waiter_.response_.emplace(std::move(response));
      waiter_.answered_.notify_one();
    }

   private:
    Waiter& waiter_;
  };

  std::mutex mutex_;
  std::condition_variable answered_;
  std::optional<Response> response_;
};

template <class Op>
typename Op::Response call(const EnginePtr& engine, Op op) {
  if (engine != nullptr && on_io_thread(*engine)) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a blocking call in a handler on the client's I/O thread would wait for "
                      "itself; use the asynchronous form there");
  }
  Waiter<typename Op::Response> waiter;
  start(engine, std::move(op), waiter.completion());
  return waiter.wait();
}

template <class Op, class Token>
auto async(const EnginePtr& engine, Op op, Token&& token) {
  using Response = typename Op::Response;
  // The operation is an argument, not captured: a lazy token (use_awaitable) keeps arguments by
  // value.
  return asio::async_initiate<Token, void(Response)>(
      [](auto&& handler, EnginePtr engine, Op op) {
        using Handler = std::decay_t<decltype(handler)>;
        start(engine, std::move(op),
              CompletionPtr<Response>(std::make_unique<HandlerCompletion<Response, Handler>>(
                  std::forward<decltype(handler)>(handler))));
      },
      token, engine, std::move(op));
}

}  // namespace coord::internal

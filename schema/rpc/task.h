// Task<T>: a coroutine on KJ's event loop.
//
// A function that returns Task<T> may co_await any kj::Promise and any other Task, and is itself
// taken wherever a kj::Promise<T> is. It runs at once, up to the first thing that is not there yet.
// Whoever holds the Task (or the Promise that it was turned into) owns the coroutine: dropping it
// destroys the frame, and with it whatever the coroutine was waiting for. A coroutine that drops
// its own owner goes on to its next co_await and ends there.
//
// Parameters: a coroutine outlives the call that made it, so take what it uses after its first
// co_await by value, or be sure that it is dropped before what it refers to (as a member function's
// object that holds its own tasks is). Never make a coroutine of a lambda with captures, unless the
// lambda object is kept for as long.
//
// What the compilers get wrong: g++ 12 may destroy an aggregate twice that is made within an
// expression that awaits, so make it in a statement of its own; clang 14 under a sanitizer reads
// locals of a branch that a co_return did not reach, so keep those out of switches.
//
// A type of our own, and not kj::Promise itself as the return type, because the packaged KJ has no
// coroutines, and because a return type whose destructor may throw makes g++ 12 generate code that
// crashes. Loop thread only.
#pragma once

#include <kj/async.h>
#include <kj/exception.h>

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace coord::rpc {

template <class T>
class Task;

namespace internal {

template <class T>
class PromiseAwaiter;
template <class T>
class TaskAwaiter;

// The coroutine as KJ sees it: a node of the promise graph, and the event that resumes it.
class TaskNode : public kj::_::PromiseNode, public kj::_::Event {
 public:
  TaskNode() = default;
  // KJ's destructors are allowed to throw; ours must not, see above.
  ~TaskNode() noexcept {}

  void onReady(kj::_::Event* event) noexcept override { on_ready_.init(event); }
  void tracePromise(kj::_::TraceBuilder&, bool) override {}
  void traceEvent(kj::_::TraceBuilder& builder) override { on_ready_.traceEvent(builder); }

  // What is awaited inside, and so arms us when it is there.
  kj::_::Event& event() { return *this; }
  bool done() const { return done_; }

  // Runs eagerly: nobody owns the frame before the call that makes it has returned.
  std::suspend_never initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> frame) noexcept {
      TaskNode& node = frame.promise();
      node.done_ = true;
      node.on_ready_.arm();
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }

  template <class U>
  PromiseAwaiter<U> await_transform(kj::Promise<U>&& promise) {
    return PromiseAwaiter<U>(*this, kj::_::PromiseNode::from(kj::mv(promise)));
  }
  template <class U>
  TaskAwaiter<U> await_transform(Task<U>&& task) {
    return TaskAwaiter<U>(*this, std::move(task));
  }

 protected:
  // The frame, resumed until it suspends again. True: it has lost its owner meanwhile, and must be
  // destroyed by whoever called.
  bool run(std::coroutine_handle<> frame) {
    running_ = true;
    frame.resume();
    running_ = false;
    return abandoned_;
  }
  // The owner lets go. False: the coroutine is on the stack, and run() will see to it.
  bool may_destroy() {
    if (!running_) return true;
    abandoned_ = true;
    on_ready_.init(nullptr);
    return false;
  }

 private:
  OnReadyEvent on_ready_;
  bool done_ = false;
  bool running_ = false;
  bool abandoned_ = false;
};

template <class T>
class TaskResult {
 public:
  void return_value(T value) { result_.value.emplace(kj::mv(value)); }

 protected:
  kj::_::ExceptionOr<T> result_;
};

template <>
class TaskResult<void> {
 public:
  void return_void() { result_.value.emplace(); }

 protected:
  kj::_::ExceptionOr<kj::_::Void> result_;
};

template <class T>
class TaskPromise final : public TaskNode, public TaskResult<T> {
 public:
  using Value = kj::_::FixVoid<T>;
  using Frame = std::coroutine_handle<TaskPromise>;

  TaskPromise() = default;
  ~TaskPromise() noexcept {}

  Task<T> get_return_object() noexcept;

  void unhandled_exception() noexcept {
    KJ_IF_MAYBE (exception, kj::runCatchingExceptions([] { throw; })) {
      this->result_.exception = kj::mv(*exception);
    }
  }

  void get(kj::_::ExceptionOrValue& output) noexcept override {
    output.as<Value>() = kj::mv(this->result_);
  }

  // Destroys the frame instead of deleting the promise object inside it.
  class FrameDisposer final : public kj::Disposer {
   public:
    void disposeImpl(void* pointer) const override {
      auto* promise = static_cast<TaskPromise*>(pointer);
      if (promise->may_destroy()) Frame::from_promise(*promise).destroy();
    }
  };
  static constexpr FrameDisposer kDisposer{};

 private:
  kj::Maybe<kj::Own<kj::_::Event>> fire() override {
    if (run(Frame::from_promise(*this))) return kj::Own<kj::_::Event>(this, kDisposer);
    return nullptr;
  }
};

// The result of an awaited node: its value, or its exception thrown. The node goes first, as it
// does after .then(): what it holds must not outlive the wait.
template <class T>
T take_result(kj::Own<kj::_::PromiseNode>& node) {
  kj::_::ExceptionOr<kj::_::FixVoid<T>> result;
  node->get(result);
  KJ_IF_MAYBE (exception, kj::runCatchingExceptions([&] { node = nullptr; })) {
    result.addException(kj::mv(*exception));
  }
  KJ_IF_MAYBE (exception, result.exception) kj::throwFatalException(kj::mv(*exception));
  if constexpr (!std::is_void_v<T>) {
    KJ_IF_MAYBE (value, result.value) return kj::mv(*value);
    KJ_UNREACHABLE;
  }
}

template <class T>
class [[nodiscard]] PromiseAwaiter {
 public:
  PromiseAwaiter(TaskNode& waiter, kj::Own<kj::_::PromiseNode> node)
      : waiter_(waiter), node_(kj::mv(node)) {}
  PromiseAwaiter(PromiseAwaiter&&) = delete;
  ~PromiseAwaiter() noexcept {}

  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) noexcept {
    node_->setSelfPointer(&node_);
    node_->onReady(&waiter_.event());
  }
  T await_resume() { return take_result<T>(node_); }

 private:
  TaskNode& waiter_;
  kj::Own<kj::_::PromiseNode> node_;
};

// As above, but a task that has ended already costs no turn of the event queue.
template <class T>
class [[nodiscard]] TaskAwaiter {
 public:
  TaskAwaiter(TaskNode& waiter, Task<T>&& task)
      : waiter_(waiter), ready_(task.done()), node_(kj::mv(task.node_)) {}
  TaskAwaiter(TaskAwaiter&&) = delete;
  ~TaskAwaiter() noexcept {}

  bool await_ready() noexcept { return ready_; }
  void await_suspend(std::coroutine_handle<>) noexcept { node_->onReady(&waiter_.event()); }
  T await_resume() { return take_result<T>(node_); }

 private:
  TaskNode& waiter_;
  bool ready_;
  kj::Own<kj::_::PromiseNode> node_;
};

}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;

  Task(Task&& other) noexcept = default;
  Task& operator=(Task&& other) noexcept {
    auto dropped = kj::mv(node_);
    node_ = kj::mv(other.node_);
    return *this;
  }
  ~Task() noexcept {}

  // It has ended; awaiting it will not wait.
  bool done() const { return node_->done(); }

  operator kj::Promise<T>() && {
    kj::Own<kj::_::PromiseNode> node = kj::mv(node_);
    return kj::_::PromiseNode::to<kj::Promise<T>>(kj::mv(node));
  }
  kj::Promise<T> promise() && { return std::move(*this); }
  // From top level code only, as kj::Promise::wait().
  T wait(kj::WaitScope& scope) && { return std::move(*this).promise().wait(scope); }

 private:
  friend promise_type;
  template <class U>
  friend class internal::TaskAwaiter;

  explicit Task(promise_type& node) noexcept : node_(&node, promise_type::kDisposer) {}

  kj::Own<promise_type> node_;
};

namespace internal {
template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(*this);
}
}  // namespace internal

}  // namespace coord::rpc

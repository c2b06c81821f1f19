// The client's I/O thread, and the way to it: what callers submit is gathered under a mutex and
// fetched by the thread in one go, with one wake-up for all that came meanwhile.
//
// The one lock of the library. Shared by the Client and by every object that it handed out; when
// the Client is gone the thread ends, and what is submitted afterwards is told so.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "client/lib/core.h"
#include "client/lib/job.h"
#include "coord/client.h"
#include "schema/rpc/loop.h"

namespace coord::internal {

class Engine final : public std::enable_shared_from_this<Engine> {
 public:
  // On real sockets, with a thread of its own.
  static EnginePtr start(ClientOptions options);
  // On a loop that exists, in the caller's thread: for simulations. Only asynchronous operations.
  static EnginePtr attach(Environment environment, ClientOptions options);
  Engine() = default;
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Any thread.
  void submit(std::unique_ptr<Job> job);
  bool on_io_thread() const;
  // The clock that sessions and holds are believed by.
  Instant now() const { return clock_(); }
  std::uint64_t random() const { return random_(); }
  // Completes everything; returns when the thread has ended (or, on that thread itself, at once).
  void stop();

 private:
  void run(ClientOptions options);
  void wake();
  void fetch();

  std::function<Instant()> clock_;
  std::function<std::uint64_t()> random_;

  std::mutex mutex_;
  JobList inbox_;              // guarded
  bool woken_ = false;         // guarded: the thread knows that there is something
  bool stopped_ = false;       // guarded
  rpc::Loop* loop_ = nullptr;  // guarded: there is a loop to wake

  bool attached_ = false;
  std::thread thread_;
  std::atomic<std::thread::id> io_thread_{};
  std::optional<Core> core_;  // I/O thread
};

}  // namespace coord::internal

// What the examples share: the command line's errors and the signals that end them.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "coord/client.h"

namespace coord::example {

// Nothing, or the exit code to end with: help was asked for (0), or the command line makes no sense
// (2); it has been printed then.
inline std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
}

// Requests stop when the process is asked to end. Make it before any other thread, so that these
// signals are taken here and nowhere else.
class StopOnSignal {
 public:
  StopOnSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    waiter_ = std::thread([this] {
      int signal = 0;
      sigwait(&signals_, &signal);
      stop_.request_stop();
    });
  }
  ~StopOnSignal() {
    // Wakes the waiter, if no signal has.
    pthread_kill(waiter_.native_handle(), SIGTERM);
    waiter_.join();
  }

  std::stop_token token() const { return stop_.get_token(); }

 private:
  sigset_t signals_;
  std::stop_source stop_;
  std::thread waiter_;
};

// Sleeps, but no longer than until one of the two is requested. True: neither was.
inline bool sleep_unless(std::stop_token one, std::stop_token other, milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::stop_callback wake(other, [&] {
    std::lock_guard lock(mutex);
    woken.notify_all();
  });
  std::unique_lock lock(mutex);
  woken.wait_for(lock, one, time, [&] { return other.stop_requested(); });
  return !one.stop_requested() && !other.stop_requested();
}

}  // namespace coord::example

// KJ's event loop on an Asio io_context: the one loop of a process, or of a client's I/O thread.
//
// A turn of the loop: Asio delivers what the kernel has (a read that fills a large buffer, a timer,
// a posted value), KJ runs everything that this made runnable, the turn hooks run (the node's
// pump), and only when all of that has come to rest does each stream write what it gathered, in one
// writev. Only then does the thread wait.
//
// One thread: the one that constructed the Loop. post() alone may be called from any thread.
#pragma once

#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "raft/base/types.h"

namespace coord::rpc {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::io_context& io();
  kj::WaitScope& wait_scope();
  // Precise to what the kernel's timers give; reads the clock once a turn.
  kj::Timer& timer();
  // Real sockets on this loop: see network.h.
  kj::Network& network();

  // The monotonic clock as of this turn.
  Instant now() const;
  // The monotonic clock itself.
  static Instant clock();

  // Runs `work` on the loop's thread in some later turn. Any thread; order is kept per thread. Work
  // that is still queued when the Loop is destroyed is dropped.
  void post(std::function<void()> work);

  // Called at the end of every turn, before the streams write and the thread waits. A hook may make
  // further KJ events runnable; the turn then goes on and the hooks run again. Hooks must outlive
  // neither their owner nor the Loop: dropping the handle removes it.
  class Hook;
  struct HookDeleter {
    void operator()(Hook* hook) const;
  };
  using HookHandle = std::unique_ptr<Hook, HookDeleter>;
  [[nodiscard]] HookHandle on_turn_end(std::function<void()> hook);

  // While there is much to do, looks for work for so long before it sleeps: see busy_poll.h. Zero,
  // as at first: never. Takes up to a whole processor, and answers sooner for it.
  void set_busy_poll(Duration most);

  // Runs the loop until stop() is called, from this thread or through post().
  void run();
  void stop();

  struct Stats {
    std::uint64_t turns = 0;
    // Of them, those whose work was there, or found by looking for it: see set_busy_poll().
    std::uint64_t found = 0;
    // The longest time from the end of one wait to the beginning of the next, since last asked.
    nanoseconds longest_turn{0};
  };
  Stats take_stats();

  // For the sockets of this folder; see loop_impl.h.
  class Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::rpc

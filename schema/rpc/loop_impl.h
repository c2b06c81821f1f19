// The inside of Loop, for the sockets that live on it (loop.h has the contract). Loop thread only,
// except post() and wake().
#pragma once

#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/timer.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "raft/base/limits.h"
#include "schema/rpc/block_pool.h"
#include "schema/rpc/busy_poll.h"
#include "schema/rpc/loop.h"

namespace coord::rpc {

class Stream;

inline kj::TimePoint to_kj(Instant time) {
  return kj::origin<kj::TimePoint>() + time.time_since_epoch().count() * kj::NANOSECONDS;
}
inline Instant from_kj(kj::TimePoint time) {
  return Instant(nanoseconds((time - kj::origin<kj::TimePoint>()) / kj::NANOSECONDS));
}

class Loop::Impl final : public kj::EventPort {
 public:
  Impl();
  ~Impl();
  Impl(const Impl&) = delete;

  // kj::EventPort. KJ calls wait() when its queue has run empty: that is the end of a turn.
  bool wait() override;
  bool poll() override;
  void wake() const override;

  asio::io_context& io() { return *io_; }
  kj::WaitScope& wait_scope() { return *wait_scope_; }
  kj::TimerImpl& timer() { return *timer_; }
  Instant now() const { return now_; }

  // `stream` has something to send at the end of this turn.
  void mark_dirty(Stream& stream) { dirty_.push_back(&stream); }
  // `stream` has something to send, in this turn or in some milliseconds.
  void mark_lingering(Stream& stream);
  void forget(Stream& stream);

  void add_hook(Hook& hook) { hooks_.push_back(&hook); }
  void remove_hook(Hook& hook);

  void run();
  void stop();
  Stats take_stats();

  BusyPoll busy_poll;
  BlockPool read_blocks{limits::kStreamReadBuffer, 4};
  BlockPool write_blocks{16 * limits::kKiB, 256};
  kj::Own<kj::Network> network;

 private:
  // Hooks, then streams. True: KJ has something to run again, so the turn is not over.
  bool end_turn();
  void arm_timer(Instant clock);
  // Waits until a handler has run; true if there was no need to sleep.
  bool run_one();
  void begin_turn();
  bool take_wake() { return woken_.exchange(false, std::memory_order_acq_rel); }

  mutable std::atomic<bool> woken_{false};
  std::unique_ptr<asio::io_context> io_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  // One kernel timer for all of KJ's, moved to an earlier time at once, and to a later one only
  // when it is about to fire in vain: that wakes the loop, but most timeouts are set and dropped
  // long before.
  std::optional<asio::steady_timer> kernel_timer_;
  std::optional<Instant> kernel_timer_at_;
  bool timer_moved_ = false;  // said by the wait that this ended
  Instant now_;
  Instant turn_began_;
  kj::Own<kj::TimerImpl> timer_;
  std::optional<kj::EventLoop> kj_loop_;
  std::optional<kj::WaitScope> wait_scope_;

  std::vector<Stream*> dirty_;
  std::vector<Stream*> lingering_;
  Instant lingering_due_{};   // of all of them
  std::vector<Hook*> hooks_;  // removed ones are null while the hooks run
  bool running_hooks_ = false;
  bool stopped_ = false;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> stop_;
  Stats stats_;
};

class Loop::Hook {
 public:
  Hook(Impl& loop, std::function<void()> run) : run(std::move(run)), loop_(loop) {
    loop_.add_hook(*this);
  }
  ~Hook() { loop_.remove_hook(*this); }
  Hook(const Hook&) = delete;

  std::function<void()> run;

 private:
  Impl& loop_;
};

}  // namespace coord::rpc

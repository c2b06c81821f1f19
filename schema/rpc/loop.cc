#include "schema/rpc/loop.h"

#include <sched.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "schema/rpc/loop_impl.h"
#include "schema/rpc/network.h"
#include "schema/rpc/network_impl.h"
#include "schema/rpc/stream.h"

namespace coord::rpc {

namespace {
// Handlers of one turn. What Asio still has waits for the next, so that handlers that post
// themselves again cannot keep KJ from running.
constexpr int kHandlersPerTurnMax = 1024;
constexpr Duration kLinger = milliseconds(20);
// What is left of the time of the kernel's timer when it is worth moving to a later one.
constexpr Duration kAboutToFire = microseconds(500);
}  // namespace

Loop::Impl::Impl()
    : io_(std::make_unique<asio::io_context>(1)), now_(Loop::clock()), turn_began_(now_) {
  work_.emplace(asio::make_work_guard(*io_));
  kernel_timer_.emplace(*io_);
  timer_ = kj::heap<kj::TimerImpl>(to_kj(now_));
  kj_loop_.emplace(*this);
  wait_scope_.emplace(*kj_loop_);
  network = make_network(*this);
}

Loop::Impl::~Impl() {
  // Posted work that nobody ran may own promises: it goes while KJ's loop is still there.
  network = nullptr;
  kernel_timer_.reset();
  work_.reset();
  io_.reset();
  timer_ = nullptr;
  wait_scope_.reset();
  kj_loop_.reset();
}

bool Loop::Impl::wait() {
  if (end_turn()) return take_wake();
  const Instant ended = Loop::clock();
  arm_timer(ended);
  stats_.longest_turn = std::max(stats_.longest_turn, nanoseconds(ended - turn_began_));
  // That the timer was moved is nothing to wake for.
  bool found = false;
  do {
    timer_moved_ = false;
    found = run_one();
  } while (timer_moved_);
  for (int i = 1; i < kHandlersPerTurnMax && io_->poll_one() > 0; ++i) {
  }
  begin_turn();
  stats_.found += found ? 1 : 0;
  busy_poll.note_wait(now_ - ended);
  return take_wake();
}

bool Loop::Impl::run_one() {
  Instant clock = Loop::clock();
  const Instant until = clock + busy_poll.window(clock);
  while (clock < until && busy_poll.window(clock) > Duration(0)) {
    if (io_->poll_one() > 0) return true;
    ::sched_yield();
    const Instant back = Loop::clock();
    busy_poll.note_yield(clock, back);
    clock = back;
  }
  io_->run_one();
  return false;
}

bool Loop::Impl::poll() {
  end_turn();
  for (int i = 0; i < kHandlersPerTurnMax && io_->poll_one() > 0; ++i) {
  }
  begin_turn();
  return take_wake();
}

void Loop::Impl::wake() const {
  woken_.store(true, std::memory_order_release);
  asio::post(*io_, [] {});
}

bool Loop::Impl::end_turn() {
  running_hooks_ = true;
  // By index: a hook may add others.
  for (std::size_t i = 0; i < hooks_.size(); ++i) {
    if (hooks_[i] != nullptr) hooks_[i]->run();
  }
  running_hooks_ = false;
  std::erase(hooks_, nullptr);
  if (kj_loop_->isRunnable()) return true;

  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (dirty_[i] != nullptr) dirty_[i]->flush_turn();
  }
  dirty_.clear();
  return kj_loop_->isRunnable();
}

void Loop::Impl::begin_turn() {
  now_ = turn_began_ = Loop::clock();
  timer_->advanceTo(to_kj(now_));
  ++stats_.turns;
  if (!lingering_.empty() && now_ >= lingering_due_) {
    for (Stream* stream : std::exchange(lingering_, {})) stream->flush_overdue();
  }
}

void Loop::Impl::arm_timer(Instant clock) {
  Instant at = lingering_.empty() ? Instant::max() : lingering_due_;
  KJ_IF_MAYBE (next, timer_->nextEvent()) at = std::min(at, from_kj(*next));
  if (at == Instant::max()) return;
  if (kernel_timer_at_ == at) return;
  if (kernel_timer_at_ < at && kernel_timer_at_ > clock + kAboutToFire) return;
  kernel_timer_at_ = at;
  kernel_timer_->expires_at(std::chrono::steady_clock::time_point(at.time_since_epoch()));
  kernel_timer_->async_wait([this](const asio::error_code& error) {
    if (error) {
      timer_moved_ = true;
    } else {
      kernel_timer_at_.reset();
    }
  });
}

void Loop::Impl::mark_lingering(Stream& stream) {
  if (lingering_.empty()) lingering_due_ = now_ + kLinger;
  lingering_.push_back(&stream);
}

void Loop::Impl::forget(Stream& stream) {
  std::replace(dirty_.begin(), dirty_.end(), &stream, static_cast<Stream*>(nullptr));
  std::erase(lingering_, &stream);
}

void Loop::Impl::remove_hook(Hook& hook) {
  if (running_hooks_) {
    std::replace(hooks_.begin(), hooks_.end(), &hook, static_cast<Hook*>(nullptr));
  } else {
    std::erase(hooks_, &hook);
  }
}

void Loop::Impl::run() {
  if (!stopped_) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    stop_ = kj::mv(paf.fulfiller);
    paf.promise.wait(wait_scope());
    stop_ = nullptr;
  }
  stopped_ = false;
}

void Loop::Impl::stop() {
  stopped_ = true;
  KJ_IF_MAYBE (stop, stop_) (*stop)->fulfill();
}

Loop::Stats Loop::Impl::take_stats() {
  Stats stats = stats_;
  stats_.longest_turn = nanoseconds(0);
  return stats;
}

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

asio::io_context& Loop::io() {
  return impl_->io();
}
kj::WaitScope& Loop::wait_scope() {
  return impl_->wait_scope();
}
kj::Timer& Loop::timer() {
  return impl_->timer();
}
kj::Network& Loop::network() {
  return *impl_->network;
}
Instant Loop::now() const {
  return impl_->now();
}

Instant Loop::clock() {
  return Instant(
      std::chrono::duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()));
}

void Loop::post(std::function<void()> work) {
  asio::post(impl_->io(), std::move(work));
}

Loop::HookHandle Loop::on_turn_end(std::function<void()> hook) {
  return HookHandle(new Hook(*impl_, std::move(hook)));
}
void Loop::HookDeleter::operator()(Hook* hook) const {
  delete hook;
}

void Loop::run() {
  impl_->run();
}
void Loop::stop() {
  impl_->stop();
}
void Loop::set_busy_poll(Duration most) {
  impl_->busy_poll = BusyPoll(most);
}
Loop::Stats Loop::take_stats() {
  return impl_->take_stats();
}

}  // namespace coord::rpc

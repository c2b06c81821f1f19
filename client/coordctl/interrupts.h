// Interrupts: signals as something to wait for, together with events of other threads.
//
// Made on the main thread before any other thread is started: those inherit that these signals are
// blocked, so that they come only here.
#pragma once

#include <signal.h>

#include <optional>

#include "raft/base/types.h"

namespace coord::ctl {

class Interrupts final {
 public:
  // SIGINT, SIGTERM, SIGHUP and SIGCHLD. A failure here (no file descriptors left) ends the
  // process.
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Waits for a signal, a wake() or the end of `timeout`; the signal's number, or 0 for the others.
  int wait(std::optional<milliseconds> timeout = {});
  // Ends a wait(), this one or the next. Any thread.
  void wake();

  // What the signal mask was before, for a child process.
  const sigset_t& mask_before() const { return mask_before_; }

 private:
  int signals_ = -1;
  int wakes_ = -1;
  sigset_t mask_before_{};
};

}  // namespace coord::ctl

#include "client/coordctl/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "raft/base/check.h"

namespace coord::ctl {

Interrupts::Interrupts() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&mask, signal);
  pthread_sigmask(SIG_BLOCK, &mask, &mask_before_);
  signals_ = ::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  wakes_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(signals_ >= 0 && wakes_ >= 0, "no file descriptors for signals: errno {}", errno);
}

Interrupts::~Interrupts() {
  ::close(signals_);
  ::close(wakes_);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

int Interrupts::wait(std::optional<milliseconds> timeout) {
  std::array<pollfd, 2> files = {{{signals_, POLLIN, 0}, {wakes_, POLLIN, 0}}};
  const auto timeout_ms =
      timeout ? static_cast<int>(std::clamp<std::int64_t>(timeout->count(), 0, INT_MAX)) : -1;
  if (::poll(files.data(), files.size(), timeout_ms) <= 0) return 0;
  if ((files[1].revents & POLLIN) != 0) {
    std::uint64_t wakes = 0;
    // It has been woken already; how often does not matter.
    [[maybe_unused]] const auto size = ::read(wakes_, &wakes, sizeof(wakes));
  }
  signalfd_siginfo signal{};
  if (::read(signals_, &signal, sizeof(signal)) != sizeof(signal)) return 0;
  return static_cast<int>(signal.ssi_signo);
}

void Interrupts::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto size = ::write(wakes_, &one, sizeof(one));
}

}  // namespace coord::ctl

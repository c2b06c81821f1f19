// Waiting for what nothing tells of: another process, or a thread behind an interface that has no
// reason to say when it is done.
#pragma once

#include <chrono>
#include <thread>

namespace coord::test {

// Polls until the condition holds; false if it did not within the time.
template <typename Condition>
bool eventually(Condition&& condition,
                std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace coord::test

// Whether the machine gave a test what bounds in real time take for granted: that whoever is ready
// to run does so, and that a small write reaches the disk.
//
// On a machine that is shared with others both can stop for seconds, and no election timeout means
// anything then. A bound that was broken meanwhile says nothing of the product.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/process.h"

namespace coord::test {

class MachineWitness {
 public:
  using Clock = std::chrono::steady_clock;
  // What a calm machine stays below, also while the test itself keeps it busy.
  static constexpr Milliseconds kCalm{50};

  // Writes a small file in that directory, over and over again.
  explicit MachineWitness(const std::filesystem::path& directory);
  ~MachineWitness();
  MachineWitness(const MachineWitness&) = delete;
  MachineWitness& operator=(const MachineWitness&) = delete;

  // The longest time, among those that overlap the given one, that a processor did not run who was
  // ready, or that the disk took for one sync.
  Milliseconds longest_stall(Clock::time_point from, Clock::time_point to) const;
  bool was_calm(Clock::time_point from, Clock::time_point to) const {
    return longest_stall(from, to) < kCalm;
  }

 private:
  struct Stall {
    Clock::time_point begun;
    Clock::time_point ended;
  };

  void watch_processor(int processor);
  void watch_disk(const std::filesystem::path& file);
  void note(Clock::time_point begun, Clock::duration expected);

  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<Stall> stalls_;  // guarded by mutex_; those worth noting
  std::vector<std::thread> threads_;
};

}  // namespace coord::test

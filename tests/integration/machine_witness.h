// Whether the machine gave a test what bounds in real time take for granted: that whoever is ready
// to run does so, and that a small write reaches the disk.
//
// On a machine that is shared with others both can stop for seconds, and no election timeout means
// anything then. How long they did says how much longer something may have taken.
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
  // A calm machine stays below it, also while the test itself keeps it busy.
  static constexpr Milliseconds kNotable{100};

  // Writes a small file in that directory, over and over again.
  explicit MachineWitness(const std::filesystem::path& directory);
  ~MachineWitness();
  MachineWitness(const MachineWitness&) = delete;
  MachineWitness& operator=(const MachineWitness&) = delete;

  // The longest time, among those that overlap the given one, that a processor did not run who was
  // ready, or that the disk took for one sync. One that has not ended yet counts up to now.
  Milliseconds longest_stall(Clock::time_point from, Clock::time_point to) const;

 private:
  struct Stall {
    Clock::time_point begun;
    Clock::time_point ended;
  };

  void watch_processor(std::size_t watcher, int processor);
  void watch_disk(std::size_t watcher, const std::filesystem::path& file);
  // Of one watcher: what it waits for ought to be there at that time; it is.
  void expect(std::size_t watcher, Clock::time_point due);
  void note(std::size_t watcher);

  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::vector<Clock::time_point> due_;  // guarded by mutex_; by watcher
  std::vector<Stall> stalls_;           // guarded by mutex_; those worth noting
  std::vector<std::thread> threads_;
};

}  // namespace coord::test

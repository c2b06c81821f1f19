#include "tests/integration/machine_witness.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace coord::test {

namespace {

constexpr std::chrono::milliseconds kInterval{5};
constexpr std::chrono::milliseconds kWorthNoting{10};

}  // namespace

MachineWitness::MachineWitness(const std::filesystem::path& directory) {
  cpu_set_t ours;
  ::sched_getaffinity(0, sizeof ours, &ours);
  std::vector<int> processors;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(processor, &ours)) processors.push_back(processor);
  }
  due_.assign(processors.size() + 1, Clock::time_point::max());
  for (std::size_t i = 0; i < processors.size(); ++i) {
    threads_.emplace_back([this, i, processor = processors[i]] { watch_processor(i, processor); });
  }
  threads_.emplace_back([this, watcher = processors.size(), file = directory / "witness"] {
    watch_disk(watcher, file);
  });
}

MachineWitness::~MachineWitness() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

Milliseconds MachineWitness::longest_stall(Clock::time_point from, Clock::time_point to) const {
  const std::lock_guard lock(mutex_);
  Clock::duration longest{0};
  const auto count = [&](const Stall& stall) {
    const bool overlaps = stall.ended >= from && stall.begun <= to;
    if (overlaps) longest = std::max(longest, stall.ended - stall.begun);
  };
  for (const Stall& stall : stalls_) count(stall);
  for (const Clock::time_point due : due_) count({due, std::max(due, Clock::now())});
  return std::chrono::duration_cast<Milliseconds>(longest);
}

void MachineWitness::watch_processor(std::size_t watcher, int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  while (!stopping_) {
    expect(watcher, Clock::now() + kInterval);
    // Not a wait for something, but what is measured: how late the processor lets it end.
    std::this_thread::sleep_for(kInterval);
    note(watcher);
  }
}

void MachineWitness::watch_disk(std::size_t watcher, const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) throw std::runtime_error("cannot create " + file.string());
  while (!stopping_) {
    expect(watcher, Clock::now());
    if (::pwrite(descriptor, "x", 1, 0) != 1 || ::fdatasync(descriptor) != 0) {
      throw std::runtime_error("cannot write " + file.string());
    }
    note(watcher);
    // So that the disk is asked and not kept busy: its pace.
    std::this_thread::sleep_for(kInterval);
  }
  ::close(descriptor);
}

void MachineWitness::expect(std::size_t watcher, Clock::time_point due) {
  const std::lock_guard lock(mutex_);
  due_[watcher] = due;
}

void MachineWitness::note(std::size_t watcher) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  const auto due = std::exchange(due_[watcher], Clock::time_point::max());
  if (now - due >= kWorthNoting) stalls_.push_back({due, now});
}

}  // namespace coord::test

#include "tests/integration/machine_witness.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace coord::test {

namespace {

constexpr std::chrono::milliseconds kInterval{5};
constexpr std::chrono::milliseconds kWorthNoting{10};

}  // namespace

MachineWitness::MachineWitness(const std::filesystem::path& directory) {
  cpu_set_t ours;
  ::sched_getaffinity(0, sizeof ours, &ours);
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &ours)) continue;
    threads_.emplace_back([this, processor] { watch_processor(processor); });
  }
  threads_.emplace_back([this, file = directory / "witness"] { watch_disk(file); });
}

MachineWitness::~MachineWitness() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

Milliseconds MachineWitness::longest_stall(Clock::time_point from, Clock::time_point to) const {
  const std::lock_guard lock(mutex_);
  Clock::duration longest{0};
  for (const Stall& stall : stalls_) {
    const bool overlaps = stall.ended >= from && stall.begun <= to;
    if (overlaps) longest = std::max(longest, stall.ended - stall.begun);
  }
  return std::chrono::duration_cast<Milliseconds>(longest);
}

void MachineWitness::watch_processor(int processor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  ::sched_setaffinity(0, sizeof one, &one);
  while (!stopping_) {
    const auto begun = Clock::now();
    std::this_thread::sleep_for(kInterval);
    note(begun, kInterval);
  }
}

void MachineWitness::watch_disk(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) throw std::runtime_error("cannot create " + file.string());
  while (!stopping_) {
    const auto begun = Clock::now();
    if (::pwrite(descriptor, "x", 1, 0) != 1 || ::fdatasync(descriptor) != 0) {
      throw std::runtime_error("cannot write " + file.string());
    }
    note(begun, Clock::duration(0));
    std::this_thread::sleep_for(kInterval);
  }
  ::close(descriptor);
}

void MachineWitness::note(Clock::time_point begun, Clock::duration expected) {
  const auto ended = Clock::now();
  if (ended - begun < expected + kWorthNoting) return;
  const std::lock_guard lock(mutex_);
  stalls_.push_back({begun + expected, ended});
}

}  // namespace coord::test

// What the client's core takes from outside: a network, a timer, a clock, a seed. On real sockets
// in a process, on simulated ones in a simulation.
#pragma once

#include <kj/async-io.h>
#include <kj/timer.h>

#include <functional>
#include <string>

#include "raft/base/types.h"

namespace coord::internal {

struct Environment {
  kj::Network& network;
  kj::Timer& timer;
  // Monotonic, shared with every other thread that asks whether something is still held.
  std::function<Instant()> clock;
  // For what has to differ between clients: jitter, the ids of leases.
  std::function<std::uint64_t()> random;
  std::string host;
  std::uint32_t pid = 0;
};

inline kj::Duration to_kj(Duration duration) {
  return duration.count() * kj::NANOSECONDS;
}

// An id for a lease, never zero. Below 2^53, so that whatever reads coordctl's JSON keeps it exact.
inline LeaseId random_lease_id(std::uint64_t random) { return LeaseId((random >> 11) | 1); }

}  // namespace coord::internal

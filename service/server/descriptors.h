// How many files and sockets this process may have open, and how many of them others may take up.
// One that cannot be had for the log or the store is a disk that fails: it ends the process. So
// whoever connects gets what is left beside a reserve, and no more.
#pragma once

#include <algorithm>
#include <cstdint>

namespace coord::service {

// Connections that are accepted.
struct ConnectionShares {
  std::uint64_t clients;
  std::uint64_t members;
};

// For the log, the store and snapshots, for dialling members, guests and probes, and for a
// connection more on each port, which is accepted to be refused.
inline constexpr std::uint64_t kDescriptorReserve = 256;
inline constexpr std::uint64_t kClientConnectionsMax = 10'000;
// Far more than members, so that strangers who connect and say nothing do not keep members out for
// the time that they are given.
inline constexpr std::uint64_t kMemberConnectionsMax = 1024;

constexpr ConnectionShares share_out(std::uint64_t limit) {
  const std::uint64_t rest = limit - std::min(kDescriptorReserve, limit / 2);
  const std::uint64_t members = std::min(kMemberConnectionsMax, rest / 4);
  return {.clients = std::min(kClientConnectionsMax, rest - members), .members = members};
}

// The limit in force.
std::uint64_t descriptor_limit();
// Raises it as far as this process may: the usual one is made for programs that use select().
void raise_descriptor_limit();

}  // namespace coord::service

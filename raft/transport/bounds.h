// What both ends of a connection between members have to agree on.
#pragma once

#include "raft/transport/transport.h"
#include "schema/rpc/connection.h"

namespace coord::raft {

// Of the greeting and of everything after it.
inline constexpr std::uint16_t kProtocol = 6;

// Messages of one turn are cut into calls of this size; a single larger message goes alone.
inline constexpr std::size_t kCallBytes = limits::kAppendBytesMax;

// Twice what an append may hold: an append is bounded by its payloads and the space that an entry
// takes in memory, which is not exactly what it takes on the wire.
inline std::size_t message_bytes_max(const TransportOptions& options) {
  return 2 * (limits::kAppendBytesMax + options.entry_bytes_max);
}

inline rpc::ConnectionOptions connection_options(const TransportOptions& options) {
  rpc::ConnectionOptions connection;
  connection.messages.message_bytes_max = message_bytes_max(options);
  // Later than silence, which ends the same trouble: a connection that breaks by itself looks as if
  // the peer had closed it, and that is a hint which elections listen to.
  connection.messages.stall_timeout = 2 * options.silence_timeout;
  return connection;
}

}  // namespace coord::raft

// "HOST:PORT" and what it means to the kernel. Pure functions, apart from the resolver's look at
// the system's configuration.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "raft/base/result.h"

namespace coord::rpc {

// An address in the kernel's form.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  std::uint16_t port() const;
  // "127.0.0.1:4701", "[::1]:4701"
  std::string to_string() const;

  static SocketAddress from(const void* address, socklen_t length);
};

struct HostAndPort {
  std::string host;  // empty: every address of this machine ("*")
  std::uint16_t port = 0;
};
// Accepts "host:port", "1.2.3.4:port", "[::1]:port", "*:port", ":port"; without a port where there
// is a hint. kInvalidArgument says what is wrong with it.
Result<HostAndPort> parse_host_and_port(std::string_view text,
                                        std::optional<std::uint16_t> port_hint = {});

// The address if the host is written in digits, or is empty (then the IPv6 wildcard, which takes
// IPv4 as well, or the IPv4 one where the machine has no IPv6).
std::optional<SocketAddress> numeric_address(const HostAndPort& where);

// The addresses that need no resolver: the numeric one, or those of "localhost", which is this
// machine whatever a resolver would say (RFC 6761, section 6.3). Empty: somebody has to be asked.
std::vector<SocketAddress> known_addresses(const HostAndPort& where);

}  // namespace coord::rpc

#include "schema/rpc/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace coord::rpc {

namespace {

SocketAddress ipv4(in_addr host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr = host;
  return SocketAddress::from(&address, sizeof(address));
}

SocketAddress ipv6(in6_addr host, std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = host;
  return SocketAddress::from(&address, sizeof(address));
}

bool machine_has_ipv6() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const SocketAddress any = ipv6(in6addr_any, 0);
  const bool usable = ::bind(fd, any.get(), any.length) == 0;
  ::close(fd);
  return usable;
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) {
    return make_error(ErrorCode::kInvalidArgument, "'{}' in '{}' is not a port", text, whole);
  }
  return port;
}

}  // namespace

SocketAddress SocketAddress::from(const void* address, socklen_t length) {
  SocketAddress result;
  result.length = std::min<socklen_t>(length, sizeof(result.storage));
  std::memcpy(&result.storage, address, result.length);
  return result;
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  if (family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  }
  return 0;
}

std::string SocketAddress::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text,
                sizeof(text));
    return fmt::format("{}:{}", text, port());
  }
  if (family() == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text,
                sizeof(text));
    return fmt::format("[{}]:{}", text, port());
  }
  return "(local)";
}

Result<HostAndPort> parse_host_and_port(std::string_view text,
                                        std::optional<std::uint16_t> port_hint) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return make_error(ErrorCode::kInvalidArgument, "'{}' has no closing bracket", text);
    }
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (rest.starts_with(':')) port = rest.substr(1);
    if (!rest.empty() && !port.has_value()) {
      return make_error(ErrorCode::kInvalidArgument, "'{}' is not HOST:PORT", text);
    }
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  } else if (text.find(':') != std::string_view::npos) {
    return make_error(ErrorCode::kInvalidArgument, "the IPv6 address in '{}' needs brackets", text);
  }
  if (host == "*") host = {};
  // What else a name may be is the resolver's to say; these could only be mistakes.
  if (host.find_first_of(" \t\r\n/,\0") != std::string_view::npos) {
    return make_error(ErrorCode::kInvalidArgument, "'{}' is not HOST:PORT", text);
  }
  if (!port.has_value()) {
    if (!port_hint.has_value() || text.empty()) {
      return make_error(ErrorCode::kInvalidArgument, "'{}' has no port (HOST:PORT)", text);
    }
    return HostAndPort{std::string(host), *port_hint};
  }
  auto number = parse_port(*port, text);
  if (!number.ok()) return std::move(number).error();
  return HostAndPort{std::string(host), *number};
}

std::optional<SocketAddress> numeric_address(const HostAndPort& where) {
  if (where.host.empty()) {
    if (machine_has_ipv6()) return ipv6(in6addr_any, where.port);
    return ipv4(in_addr{htonl(INADDR_ANY)}, where.port);
  }
  in_addr host4{};
  if (::inet_pton(AF_INET, where.host.c_str(), &host4) == 1) return ipv4(host4, where.port);
  in6_addr host6{};
  if (::inet_pton(AF_INET6, where.host.c_str(), &host6) == 1) return ipv6(host6, where.port);
  return std::nullopt;
}

std::vector<SocketAddress> known_addresses(const HostAndPort& where) {
  if (const auto numeric = numeric_address(where)) return {*numeric};
  if (where.host != "localhost") return {};
  return {ipv4(in_addr{htonl(INADDR_LOOPBACK)}, where.port), ipv6(in6addr_loopback, where.port)};
}

}  // namespace coord::rpc

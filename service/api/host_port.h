// HOST:PORT, where the host of an IPv6 address is in brackets.
#pragma once

#include <algorithm>
#include <string_view>

#include "raft/base/limits.h"

namespace coord::service {

inline bool is_host_port(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  if (address.size() > limits::kAddressBytesMax) return false;
  const std::string_view digits = address.substr(colon + 1);
  if (digits.empty() || digits.size() > 5) return false;
  unsigned port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    port = 10 * port + static_cast<unsigned>(c - '0');
  }
  // What ends a word or a line has no place in it: addresses are written into text files.
  const auto plain = [](char c) { return c > ' ' && c <= '~'; };
  return port <= 65535 && std::all_of(address.begin(), address.end(), plain);
}

}  // namespace coord::service

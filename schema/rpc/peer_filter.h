// Which addresses kj::Network::restrictPeers() lets through. A value; belongs to the network and
// the addresses made from it.
#pragma once

#include <kj/array.h>
#include <kj/string.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <vector>

namespace coord::rpc {

class PeerFilter {
 public:
  // Everyone.
  PeerFilter() = default;
  // As kj::Network says: CIDR blocks and the words "local", "network", "private", "public". Throws
  // for anything else. An address must be in an allowed block and in no denied one, and pass this
  // filter, which the new one narrows.
  PeerFilter narrowed(kj::ArrayPtr<const kj::StringPtr> allow,
                      kj::ArrayPtr<const kj::StringPtr> deny) const;

  bool allows(const sockaddr* address) const;

 private:
  // IPv4 is kept as IPv4-mapped IPv6.
  using Host = std::array<std::uint8_t, 16>;
  struct Block {
    Host host{};
    unsigned bits = 0;
    bool contains(const Host& other) const;
  };
  using Blocks = std::vector<Block>;
  struct Rule {
    Blocks allow;
    Blocks deny;
    // "public" is everything that is not private or local, which takes no list of blocks.
    bool allow_public = false;
    bool deny_public = false;
  };

  static Host host_of(const sockaddr* address);
  static Block parse_block(kj::StringPtr text);
  static void add(kj::StringPtr text, Blocks& blocks, bool& is_public);
  static bool is_public(const Host& host);
  static bool any_contains(const Blocks& blocks, const Host& host);

  std::vector<Rule> rules_;  // all must hold
};

}  // namespace coord::rpc

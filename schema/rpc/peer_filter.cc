#include "schema/rpc/peer_filter.h"

#include <arpa/inet.h>
#include <kj/debug.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace coord::rpc {

namespace {
constexpr const char* kLocal[] = {"127.0.0.0/8", "::1/128"};
constexpr const char* kPrivate[] = {"10.0.0.0/8",    "100.64.0.0/10",  "169.254.0.0/16",
                                    "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
                                    "fe80::/10"};
constexpr const char* kEverything[] = {"::/0"};
}  // namespace

bool PeerFilter::Block::contains(const Host& other) const {
  const unsigned whole = bits / 8;
  if (std::memcmp(host.data(), other.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  return (host[whole] & mask) == (other[whole] & mask);
}

PeerFilter::Host PeerFilter::host_of(const sockaddr* address) {
  Host host{};
  if (address->sa_family == AF_INET6) {
    std::memcpy(host.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  } else {
    host[10] = host[11] = 0xff;
    std::memcpy(host.data() + 12, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
  }
  return host;
}

PeerFilter::Block PeerFilter::parse_block(kj::StringPtr text) {
  const std::string whole(text.cStr());
  const std::size_t slash = whole.find('/');
  KJ_REQUIRE(slash != std::string::npos, "expected a CIDR block", text);
  const std::string host = whole.substr(0, slash);
  unsigned bits = 0;
  const char* end = whole.data() + whole.size();
  const auto parsed = std::from_chars(whole.data() + slash + 1, end, bits);
  KJ_REQUIRE(parsed.ec == std::errc() && parsed.ptr == end, "bad prefix length", text);

  Block block;
  if (host.find(':') == std::string::npos) {
    KJ_REQUIRE(bits <= 32 && ::inet_pton(AF_INET, host.c_str(), block.host.data() + 12) == 1,
               "bad IPv4 block", text);
    block.host[10] = block.host[11] = 0xff;
    block.bits = bits + 96;
  } else {
    KJ_REQUIRE(bits <= 128 && ::inet_pton(AF_INET6, host.c_str(), block.host.data()) == 1,
               "bad IPv6 block", text);
    block.bits = bits;
  }
  return block;
}

void PeerFilter::add(kj::StringPtr text, Blocks& blocks, bool& is_public) {
  const auto add_all = [&](kj::ArrayPtr<const char* const> texts) {
    for (const char* each : texts) blocks.push_back(parse_block(each));
  };
  if (text == "local") {
    add_all(kLocal);
  } else if (text == "private") {
    add_all(kLocal);
    add_all(kPrivate);
  } else if (text == "network") {
    add_all(kEverything);
  } else if (text == "public") {
    is_public = true;
  } else if (text != "unix" && text != "unix-abstract") {
    blocks.push_back(parse_block(text));
  }
}

bool PeerFilter::any_contains(const Blocks& blocks, const Host& host) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const Block& block) { return block.contains(host); });
}

bool PeerFilter::is_public(const Host& host) {
  Blocks blocks;
  bool unused = false;
  add("private", blocks, unused);
  return !any_contains(blocks, host);
}

PeerFilter PeerFilter::narrowed(kj::ArrayPtr<const kj::StringPtr> allow,
                                kj::ArrayPtr<const kj::StringPtr> deny) const {
  PeerFilter filter = *this;
  Rule rule;
  for (const auto text : allow) add(text, rule.allow, rule.allow_public);
  for (const auto text : deny) add(text, rule.deny, rule.deny_public);
  filter.rules_.push_back(std::move(rule));
  return filter;
}

bool PeerFilter::allows(const sockaddr* address) const {
  if (rules_.empty()) return true;
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return false;
  const Host host = host_of(address);
  return std::all_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    const bool allowed = any_contains(rule.allow, host) || (rule.allow_public && is_public(host));
    const bool denied = any_contains(rule.deny, host) || (rule.deny_public && is_public(host));
    return allowed && !denied;
  });
}

}  // namespace coord::rpc

// The running digest: a number that every entry and everything it wrote has gone into, in order.
// Members that applied the same log have the same one (P8), however often they were restarted.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "raft/base/hash.h"

namespace coord::service {

class Digest {
 public:
  explicit Digest(std::uint64_t value) : value_(value) {}

  std::uint64_t value() const { return value_; }

  // Each step is a bijection of the digest and of `n`: two runs that differ once differ for ever,
  // unless they differ again in just the way that undoes it.
  void mix(std::uint64_t n) {
    value_ = (std::rotl(value_, 29) ^ n) * 0x9e3779b97f4a7c15u;
    value_ ^= value_ >> 32;
  }
  void mix(std::string_view bytes) { mix(hash64(bytes)); }

 private:
  std::uint64_t value_;
};

}  // namespace coord::service

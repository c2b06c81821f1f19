// A small deterministic random generator (SplitMix64). Seeds are inputs: the same seed gives the
// same numbers on every machine, which is what lets a simulation be replayed. Not for secrets.
#pragma once

#include <cstdint>

#include "raft/base/check.h"

namespace coord {

class Prng {
 public:
  explicit Prng(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); bound must not be 0. The bias of the remainder is below 2^-32 for the
  // bounds in use, far below what any timing or fault rate could show.
  std::uint64_t below(std::uint64_t bound) {
    CHECK_GT(bound, 0u);
    return next() % bound;
  }
  // Uniform in [low, high], both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    CHECK_LE(low, high);
    const std::uint64_t width = high - low;
    return width == UINT64_MAX ? next() : low + below(width + 1);
  }
  // True with probability numerator / denominator.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }
  // What is drawn from here on depends on this alone.
  std::uint64_t state() const { return state_; }
  // A generator of its own, so that what one consumer draws does not shift another's numbers.
  Prng split() { return Prng(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace coord

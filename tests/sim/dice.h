// Durations out of dice, by integer arithmetic only: the same on every machine and in every build.
#pragma once

#include <algorithm>

#include "raft/base/prng.h"
#include "raft/base/types.h"

namespace coord::sim {

// In [low, high].
inline Duration between(Prng& prng, Duration low, Duration high) {
  return Duration(static_cast<Duration::rep>(prng.between(
      static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()))));
}
// In [0, bound]; nothing for nothing.
inline Duration up_to(Prng& prng, Duration bound) {
  return between(prng, Duration(0), std::max(bound, Duration(0)));
}

// About exponentially distributed: the steps of a geometric distribution, 16 a mean, drawn by one
// number each so that it is cheap.
inline Duration exponential(Prng& prng, Duration mean) {
  const auto step = std::max<Duration::rep>(1, mean.count() / 16);
  Duration::rep steps = 0;
  while (steps < 16 * 12) {
    // 4 dice of 16 bits out of one number; each ends the row with probability 1/17.
    std::uint64_t bits = prng.next();
    bool ended = false;
    for (int i = 0; i < 4 && !ended; ++i, bits >>= 16) {
      ended = (bits & 0xffff) < 65536 / 17;
      if (!ended) ++steps;
    }
    if (ended) break;
  }
  return Duration(steps * step +
                  static_cast<Duration::rep>(prng.below(static_cast<std::uint64_t>(step) + 1)));
}

}  // namespace coord::sim

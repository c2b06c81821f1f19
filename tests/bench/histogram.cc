#include "tests/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace coord::bench {

// Octave 0 holds 0 to 2^kSubBits - 1, one value a bucket; octave n > 0 holds the values of
// kSubBits + n bits, whose leading bit is implied.
std::size_t Histogram::bucket_of(std::uint64_t ns) {
  ns = std::min(ns, (std::uint64_t{1} << 40) - 1);
  const unsigned bits = static_cast<unsigned>(std::bit_width(ns));
  if (bits <= kSubBits) return ns;
  const unsigned octave = bits - kSubBits;
  const std::uint64_t sub = (ns >> (octave - 1)) - kSubBuckets;
  return octave * kSubBuckets + sub;
}

std::uint64_t Histogram::upper_bound_of(std::size_t bucket) {
  const std::uint64_t octave = bucket / kSubBuckets;
  const std::uint64_t sub = bucket % kSubBuckets;
  if (octave == 0) return sub;
  return ((kSubBuckets + sub + 1) << (octave - 1)) - 1;
}

void Histogram::record(std::chrono::nanoseconds latency) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(latency.count(), 0));
  ++buckets_[bucket_of(ns)];
  ++count_;
  max_ns_ = std::max(max_ns_, ns);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

std::chrono::nanoseconds Histogram::percentile(double fraction) const {
  const auto rank = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen > 0 && seen >= rank)
      return std::chrono::nanoseconds(std::min(upper_bound_of(i), max_ns_));
  }
  return std::chrono::nanoseconds(0);
}

}  // namespace coord::bench

// Histogram: how long operations took, in bounded memory and with a bounded error.
//
// Counts per bucket; a bucket is a 128th of an octave of nanoseconds wide, so a percentile is told
// to within 0.8 %. Not thread-safe: each thread has its own, and they are merged at the end.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace coord::bench {

class Histogram final {
 public:
  void record(std::chrono::nanoseconds latency);
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_ns_); }
  // The latency that `fraction` (0 to 1) of the operations did not exceed; zero if there were none.
  std::chrono::nanoseconds percentile(double fraction) const;

 private:
  static constexpr unsigned kSubBits = 7;
  static constexpr std::uint64_t kSubBuckets = 1u << kSubBits;
  // Latencies are capped at 2^40 ns, about 18 minutes.
  static constexpr unsigned kOctaves = 40 - kSubBits + 1;

  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t upper_bound_of(std::size_t bucket);

  std::array<std::uint64_t, kOctaves * kSubBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace coord::bench

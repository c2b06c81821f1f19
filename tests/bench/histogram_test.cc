#include "tests/bench/histogram.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

namespace coord::bench {
namespace {

using std::chrono::nanoseconds;

TEST(Histogram, Empty_HasZeroPercentiles) {
  EXPECT_EQ(Histogram().percentile(0.99), nanoseconds(0));
}

// The naive twin: all latencies, sorted.
RC_GTEST_PROP(Histogram, Percentile_IsWithinItsErrorOfTheSortedList, ()) {
  const auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::uint64_t>>(
      rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 1000),
                     rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 39))));
  Histogram whole;
  Histogram half;
  for (std::size_t i = 0; i < values.size(); ++i) {
    (i % 2 == 0 ? whole : half).record(nanoseconds(values[i]));
  }
  whole.merge(half);
  std::vector<std::uint64_t> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  for (const double fraction : {0.01, 0.5, 0.99, 0.999, 1.0}) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
    const auto exact = static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]);
    const auto told = static_cast<double>(whole.percentile(fraction).count());
    RC_ASSERT(told >= exact);
    RC_ASSERT(told <= exact * (1 + 1.0 / 128) + 1);
  }
  RC_ASSERT(whole.count() == values.size());
}

TEST(Histogram, BeyondItsRange_IsCapped) {
  Histogram histogram;
  histogram.record(std::chrono::hours(24));
  histogram.record(nanoseconds(-5));
  EXPECT_EQ(histogram.percentile(0.5), nanoseconds(0));
  EXPECT_EQ(histogram.percentile(1).count(), (std::int64_t{1} << 40) - 1);
}

}  // namespace
}  // namespace coord::bench

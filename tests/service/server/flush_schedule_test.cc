// How much may wait for a flush that goes on.
#include "service/server/flush_schedule.h"

#include <gtest/gtest.h>

#include <latch>

#include "tests/service/store/file_range.h"
#include "tests/service/store/fixture.h"

namespace coord::service {
namespace {

constexpr FlushOptions kOptions{.behind_bytes = 1'000'000, .behind_pages = 1'000'000};

class FlushScheduleTest : public testing::Test {
 protected:
  void SetUp() override { f_.open(); }
  // In a table that has enough pages for each to be in one of its own.
  void put_bytes(std::size_t bytes) {
    for (const std::size_t end = f_.store->overlay_bytes() + bytes;
         f_.store->overlay_bytes() < end;) {
      f_.store->put(kTable, fmt::format("{:08}", ++keys_), std::string(1000, 'x'));
    }
  }
  bool too_fast(const FlushOptions& options = kOptions) const {
    return is_too_fast(*f_.store, options);
  }
  bool behind(const FlushOptions& options = kOptions) const {
    return is_behind(*f_.store, options);
  }
  void finish() {
    while (f_.store->flushing()) f_.queue.run_one();
  }

  Fixture f_;
  int keys_ = 0;
};

TEST_F(FlushScheduleTest, WithoutAFlush_NothingWaits) {
  put_bytes(2'000'000);
  EXPECT_FALSE(too_fast());
  EXPECT_FALSE(behind());
}

TEST_F(FlushScheduleTest, WhatMayWait_GrowsWithTheProgressOfTheFlush) {
  std::latch halfway(1);
  std::latch go_on(1);
  int parts = 0;
  const FileRangeHook hook([&](int, unsigned flags) {
    if (flags != 0 && ++parts == 3) {
      halfway.count_down();
      go_on.wait();
    }
    return 0;
  });
  // Of some five MiB, in parts of one.
  put_bytes(4'000'000);
  f_.store->flush([] {});
  halfway.wait();
  const double progress = f_.store->flush_progress();
  EXPECT_GT(progress, 0.3);
  EXPECT_LT(progress, 0.9);
  const double share = kOptions.at_once + (1 - kOptions.at_once) * progress;
  put_bytes(static_cast<std::size_t>(share * 1'000'000) - 5'000);
  EXPECT_FALSE(too_fast());
  put_bytes(10'000);
  EXPECT_TRUE(too_fast());
  EXPECT_FALSE(behind()) << "there is room, for later";
  EXPECT_FALSE(too_fast({.behind_bytes = 2'000'000}));
  EXPECT_TRUE(too_fast({.behind_bytes = 2'000'000, .behind_pages = 10})) << "pages count too";
  EXPECT_FALSE(behind({.behind_bytes = 2'000'000}));
  EXPECT_FALSE(too_fast({.behind_bytes = 1'000'000, .at_once = 1}));
  put_bytes(1'000'000);
  EXPECT_TRUE(too_fast());
  EXPECT_TRUE(behind());
  go_on.count_down();
  finish();
  EXPECT_EQ(f_.store->flush_progress(), 1);
  EXPECT_FALSE(too_fast());
  EXPECT_FALSE(behind());
}

}  // namespace
}  // namespace coord::service

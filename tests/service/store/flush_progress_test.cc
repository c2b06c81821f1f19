// What a flush is said to have done is what the flushes before lead to expect.
#include "service/store/flush_progress.h"

#include <gtest/gtest.h>

#include "raft/core/types.h"

namespace coord::service {
namespace {

using Time = FlushProgress::Time;

constexpr Time at(int ms) {
  return Time(milliseconds(ms));
}

constexpr std::size_t kMany = 10 << 20;

// Of a flush of so many bytes, of which `changing`, `giving` (ms) and `given` (bytes) are told, and
// the disk has the rest of 1000 ms.
void flush(FlushProgress& progress, std::size_t bytes, int changing, int giving,
           std::uint64_t given) {
  progress.begin(100, bytes, at(0));
  progress.all_changed(at(changing));
  progress.gave(given);
  progress.written(0.5, at(changing + giving));
  progress.written(1, at(900));
  progress.end(at(1000));
}

TEST(FlushProgress, GrowsFromZeroToOne_ThroughAllStages) {
  FlushProgress progress;
  progress.begin(1000, 1'000'000, at(0));
  EXPECT_EQ(progress.changed(0), 0);
  const double half_changed = progress.changed(500);
  EXPECT_GT(half_changed, 0);
  const double changed = progress.changed(1000);
  EXPECT_DOUBLE_EQ(changed, 2 * half_changed);
  progress.all_changed(at(100));
  const double a_page = progress.gave(4096);
  EXPECT_GT(a_page, changed);
  EXPECT_LT(a_page, changed + 0.01);
  const double more = progress.gave(1'000'000);
  EXPECT_GT(more, a_page);
  const double all = progress.gave(1'000'000'000);
  EXPECT_DOUBLE_EQ(progress.gave(4096), all) << "more than was expected";
  EXPECT_GE(progress.written(0, at(200)), all);
  EXPECT_LT(progress.written(0.5, at(300)), 1);
  EXPECT_EQ(progress.written(1, at(400)), 1);
}

TEST(FlushProgress, EachStage_TakesWhatItTookBefore) {
  FlushProgress progress;
  for (int i = 0; i < 100; ++i) flush(progress, kMany, 600, 300, 50'000'000);
  progress.begin(7, 2 * kMany, at(0));
  EXPECT_NEAR(progress.changed(7), 0.6, 0.001);
  progress.all_changed(at(10));
  EXPECT_NEAR(progress.gave(50'000'000), 0.75, 0.001) << "half of what twice as much takes";
  EXPECT_NEAR(progress.gave(50'000'000), 0.9, 0.001);
  EXPECT_NEAR(progress.written(0.5, at(20)), 0.95, 0.001);
}

TEST(FlushProgress, OneFlush_ChangesLittle) {
  FlushProgress progress;
  for (int i = 0; i < 100; ++i) flush(progress, kMany, 200, 200, 50'000'000);
  flush(progress, kMany, 900, 50, 500'000'000);
  progress.begin(100, kMany, at(0));
  EXPECT_NEAR(progress.changed(100), 0.2875, 0.001);
}

// As where small values are written at random.
TEST(FlushProgress, ManyPagesOfFewBytes_AreLearnedFrom) {
  FlushProgress progress;
  for (int i = 0; i < 100; ++i) flush(progress, 500'000, 600, 300, 8'000'000);
  progress.begin(100, 500'000, at(0));
  EXPECT_NEAR(progress.changed(100), 0.6, 0.001);
  progress.all_changed(at(600));
  EXPECT_NEAR(progress.gave(4'000'000), 0.75, 0.001);
}

TEST(FlushProgress, FromSmallAndUnfinishedFlushes_NothingIsLearned) {
  FlushProgress progress;
  progress.begin(100, kMany, at(0));
  const double before = progress.changed(100);
  for (int i = 0; i < 100; ++i) {
    flush(progress, 10'000, 900, 50, 100'000);
    flush(progress, 0, 900, 50, 4096);
    progress.begin(100, kMany, at(0));
    progress.all_changed(at(900));
    progress.gave(1);
    progress.begin(100, kMany, at(0));
    progress.all_changed(at(900));
    progress.end(at(1000));
  }
  progress.begin(100, kMany, at(0));
  EXPECT_EQ(progress.changed(100), before);
}

}  // namespace
}  // namespace coord::service

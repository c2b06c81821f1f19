#include <gtest/gtest.h>

#include "tests/sim/run.h"

namespace coord::sim {
namespace {

#ifdef COORD_SIM_SEEDS
constexpr std::uint64_t kSimSeeds = COORD_SIM_SEEDS;
#else
constexpr std::uint64_t kSimSeeds = kSeedsThatReachAll;
#endif

TEST(Simulation, ManySeeds_ViolateNothing_AndReachEverySituation) {
  Coverage coverage;
  for (std::uint64_t seed = 1; seed <= kSimSeeds; ++seed) {
    SCOPED_TRACE("replay: coord-sim --seed " + std::to_string(seed) + " --trace");
    const RunResult result = run({.seed = seed});
    ASSERT_FALSE(result.violation) << *result.violation << "\n" << describe(result.swarm);
    coverage.add(result.coverage);
  }
  if (kSimSeeds < kSeedsThatReachAll) return;
  for (const Situation situation : coverage.never_reached()) {
    ADD_FAILURE() << "never reached: " << to_string(situation);
  }
}

TEST(Simulation, SameSeed_GivesTheSameTrace) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const RunOptions options{.seed = seed, .with_faults = seconds(3)};
    const RunResult first = run(options);
    const RunResult second = run(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
}

}  // namespace
}  // namespace coord::sim

#include <gtest/gtest.h>

#include <fstream>

#include "tests/sim/jobs.h"
#include "tests/sim/shrink.h"

namespace coord::sim {
namespace {

// Each of them once found something.
TEST(Simulation, SeedsThatFailedOnce_DoNotFailAgain) {
  std::ifstream list(COORD_SIM_SEEDS_FILE);
  ASSERT_TRUE(list.is_open());
  std::uint64_t plans = 0;
  for (std::string line; std::getline(list, line);) {
    if (line.empty() || line.front() == '#') continue;
    const auto plan = parse_plan(line);
    ASSERT_TRUE(plan) << line;
    const RunResult result = run_apart(*plan);
    EXPECT_FALSE(result.violation) << line << "\n" << *result.violation;
    ++plans;
  }
  EXPECT_GT(plans, 0u);
}

TEST(Simulation, SameSeed_GivesTheSameTrace) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Plan plan{.seed = seed, .with_faults = seconds(3)};
    const RunResult first = run(plan);
    const RunResult second = run(plan);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
  }
}

TEST(Simulation, Words_ChangeNothing) {
  const Plan plan{.seed = 7, .with_faults = seconds(2)};
  EXPECT_EQ(run(plan).trace_hash, run(plan, 100).trace_hash);
  EXPECT_EQ(run(plan).trace_hash, run_apart(plan).trace_hash);
}

TEST(Plans, ArgumentsOfAPlan_AreThatPlan) {
  Plan plan{.seed = 77, .with_faults = milliseconds(2500)};
  plan.without = {Fault::kLoss, Fault::kSlowDisks};
  plan.troubles.only = {1, 2, 3, 9};
  plan.operations.only.emplace();
  plan.members = 3;
  EXPECT_EQ(to_arguments(plan),
            "--seed 77 --seconds 2.5 --members 3 --without loss,slow-disks --troubles '1-3,9' "
            "--operations ''");
  EXPECT_EQ(parse_plan(to_arguments(plan) + "  # why"), plan);
  EXPECT_FALSE(parse_plan("--seconds 3"));
  EXPECT_FALSE(parse_plan("--seed x"));
  EXPECT_FALSE(parse_plan("--seed 1 --without nothing"));
  EXPECT_FALSE(parse_plan("--seed 1 --troubles 4-2"));
}

// A pretended failure that needs two troubles and one operation.
TEST(Shrinking, KeepsWhatMatters_AndDropsTheRest) {
  const RunIt run_it = [](const Plan& plan) {
    RunResult result;
    result.troubles = 40;
    result.operations = 300;
    result.ended_at = std::min<Duration>(plan.with_faults, seconds(9));
    if (plan.troubles.has(7) && plan.troubles.has(31) && plan.operations.has(200) &&
        plan.with_faults >= seconds(2)) {
      result.violation = "pretended";
    }
    return result;
  };
  const Shrunk shrunk = shrink({.seed = 3}, run_it, 2000);
  ASSERT_TRUE(shrunk.result.violation);
  EXPECT_EQ(shrunk.plan.troubles.only, (std::vector<std::uint32_t>{7, 31}));
  EXPECT_EQ(shrunk.plan.operations.only, (std::vector<std::uint32_t>{200}));
  EXPECT_LT(shrunk.plan.with_faults, seconds(4));
  EXPECT_EQ(shrunk.plan.clients, 0u);
  EXPECT_LT(shrunk.runs, 400u);
}

}  // namespace
}  // namespace coord::sim

// The share of the exhaustive search that every run of the tests can afford; coord-exhaust does the
// rest.
#include <gtest/gtest.h>

#include "tests/raft/core/exhaustive/scenarios.h"

namespace coord::raft::exhaustive {
namespace {

// Under sanitizers a state takes several times as long.
constexpr Limits kLimits{.states_max = 1'500'000, .seconds_max = 6};

class Exhaustive : public testing::TestWithParam<Scenario> {};

TEST_P(Exhaustive, NothingThatMustHold_IsEverBroken) {
  const Report report = Search(GetParam()).run(kLimits);
  std::string trace;
  for (const std::string& line : report.trace) trace += line + '\n';
  EXPECT_EQ(report.broken, "") << trace;
  EXPECT_GT(report.states, 5000u) << "a search that finds nothing to look at is none";
  RecordProperty("states", std::to_string(report.states));
}

INSTANTIATE_TEST_SUITE_P(Search, Exhaustive, testing::ValuesIn(scenarios()),
                         [](const testing::TestParamInfo<Scenario>& info) {
                           std::string name;
                           for (const char c : info.param.name) {
                             if (std::isalnum(static_cast<unsigned char>(c))) name += c;
                           }
                           return name;
                         });

}  // namespace
}  // namespace coord::raft::exhaustive

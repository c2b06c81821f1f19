// Whether a history of operations on one object is linearizable: whether each operation that was
// answered can be given a moment between its call and its answer such that, in the order of these
// moments, the object as specified (object.h) gives just these answers. An operation whose outcome
// nobody learned may have taken effect at any moment after its call, or never.
//
// A search over the orders that are possible, as Wing and Gong have it, which does not go again
// where it has been: the set of operations that were placed and the object that they left say all
// about what may follow. Versions only grow, and every answer names one, which cuts most branches
// before they begin; and what the answers show of writes without an answer cuts those of the rest,
// of which there are many when a cluster could not be reached for long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/object.h"

namespace coord::sim {

struct Operation {
  static constexpr std::uint64_t kNever = UINT64_MAX;

  std::uint64_t client = 0;  // for people
  Request request = {};
  // Moments in one order; no two are equal.
  std::uint64_t called = 0;
  std::uint64_t answered = kNever;  // kNever: the outcome is not known
  Answer answer = {};

  bool is_known() const { return answered != kNever; }
};

enum class Verdict : std::uint8_t { kLinearizable, kNotLinearizable, kUndecided };

struct Judgement {
  Verdict verdict = Verdict::kLinearizable;
  // States that were visited.
  std::uint64_t steps = 0;
  // kNotLinearizable: how much could be placed at best, and what could not.
  std::string explanation;
};

// Gives up after so many steps.
Judgement judge(const std::vector<Operation>& history, std::uint64_t steps_max = 2'000'000);

std::string describe(const Operation& operation);

}  // namespace coord::sim

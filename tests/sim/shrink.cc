#include "tests/sim/shrink.h"

#include <algorithm>
#include <numeric>

namespace coord::sim {

namespace {

class Shrinker {
 public:
  Shrinker(Plan plan, const RunIt& run_it, std::uint64_t runs_max)
      : run_it_(run_it), runs_max_(runs_max) {
    best_.plan = std::move(plan);
    best_.result = run_it_(best_.plan);
  }

  Shrunk run() {
    if (!best_.result.violation) return best_;
    // Until a whole round finds nothing more to leave out.
    for (Plan before; before != best_.plan && best_.runs < runs_max_;) {
      before = best_.plan;
      stop_at_the_violation();
      leave_out_faults();
      shrink_numbers();
      shrink_selection(&Plan::troubles, best_.result.troubles);
      shrink_selection(&Plan::operations, best_.result.operations);
    }
    return best_;
  }

 private:
  bool try_it(const Plan& plan) {
    if (plan == best_.plan || best_.runs >= runs_max_) return false;
    ++best_.runs;
    RunResult result = run_it_(plan);
    if (!result.violation) return false;
    best_.plan = plan;
    best_.result = std::move(result);
    return true;
  }

  void stop_at_the_violation() {
    Plan plan = best_.plan;
    plan.with_faults = std::min(plan.with_faults, best_.result.ended_at + Duration(1'000'000));
    try_it(plan);
    // A violation at the end of the run may need less of it.
    for (int i = 0; i < 6; ++i) {
      plan = best_.plan;
      plan.with_faults = plan.with_faults * 2 / 3;
      if (!try_it(plan)) break;
    }
  }

  void leave_out_faults() {
    const Swarm swarm = draw_swarm(best_.plan.seed);
    for (int i = 0; i < static_cast<int>(Fault::kCount); ++i) {
      Plan plan = best_.plan;
      if (!meets(swarm, static_cast<Fault>(i))) continue;
      plan.without.insert(static_cast<Fault>(i));
      try_it(plan);
    }
  }

  void shrink_numbers() {
    const Swarm swarm = draw_swarm(best_.plan);
    for (std::uint64_t members = 1; members < swarm.configuration.members().size(); ++members) {
      Plan plan = best_.plan;
      plan.members = members;
      if (try_it(plan)) break;
    }
    for (std::uint64_t clients = 0; clients < swarm.clients; ++clients) {
      Plan plan = best_.plan;
      plan.clients = clients;
      if (try_it(plan)) break;
    }
  }

  // Delta debugging: leaves out ever smaller parts of the list.
  void shrink_selection(Selection Plan::*which, std::uint32_t count) {
    if (!(best_.plan.*which).only) {
      std::vector<std::uint32_t> all(count);
      std::iota(all.begin(), all.end(), 1);
      Plan plan = best_.plan;
      (plan.*which).only = all;
      // The same run, said otherwise.
      best_.plan = plan;
    }
    std::size_t part = (best_.plan.*which).only->size();
    while (part > 0) {
      bool smaller = false;
      for (std::size_t begin = 0; begin < (best_.plan.*which).only->size();) {
        Plan plan = best_.plan;
        auto& only = *(plan.*which).only;
        const auto first = only.begin() + static_cast<std::ptrdiff_t>(begin);
        only.erase(first, first + static_cast<std::ptrdiff_t>(std::min(part, only.size() - begin)));
        if (try_it(plan)) {
          smaller = true;
        } else {
          begin += part;
        }
      }
      if (!smaller || part == 1) part /= 2;
    }
  }

  const RunIt& run_it_;
  const std::uint64_t runs_max_;
  Shrunk best_;
};

}  // namespace

Shrunk shrink(Plan plan, const RunIt& run_it, std::uint64_t runs_max) {
  return Shrinker(std::move(plan), run_it, runs_max).run();
}

}  // namespace coord::sim

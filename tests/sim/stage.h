// What everybody in a simulation shares: virtual time and what is going to happen, the swarm, the
// dice of each concern, and what is written down about the run. Owned by the World.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "raft/base/prng.h"
#include "tests/sim/coverage.h"
#include "tests/sim/dice.h"
#include "tests/sim/plan.h"
#include "tests/sim/schedule.h"
#include "tests/sim/swarm.h"
#include "tests/sim/trace.h"

namespace coord::sim {

inline constexpr ClusterId kCluster{77};
inline constexpr std::size_t kMembersMax = 10;  // ids are below this

// Something that must hold does not.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
template <class... Args>
[[noreturn]] void violated(fmt::format_string<Args...> format, Args&&... args) {
  throw Violation(fmt::format(format, std::forward<Args>(args)...));
}

struct Stage {
  Stage(const Plan& plan_, std::size_t trace_lines)
      : plan(plan_), swarm(draw_swarm(plan_)), trace(trace_lines) {
    Prng prng(plan.seed ^ 0x5eed);
    for (Prng* dice : {&network_dice, &disk_dice, &clock_dice, &client_dice, &nemesis_dice}) {
      *dice = prng.split();
    }
  }

  void after(Duration delay, Action action) { schedule.add(now + delay, action); }
  // How long something takes that takes about `mean`.
  Duration about(Prng& dice, Duration mean) const {
    return swarm.lockstep ? mean : exponential(dice, mean);
  }
  void reached(Situation situation) { coverage.reached(situation); }
  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    if (trace.has_words()) [[unlikely]]
      trace.add(now, fmt::format(format, std::forward<Args>(args)...));
  }

  const Plan plan;
  Swarm swarm;
  Schedule schedule;
  Instant now{};
  // From then on nothing goes wrong any more.
  bool healed = false;

  Prng network_dice{0};
  Prng disk_dice{0};
  Prng clock_dice{0};
  Prng client_dice{0};
  Prng nemesis_dice{0};

  Trace trace;
  Coverage coverage;
  // Decisions that came up so far; the plan may leave some out.
  std::uint32_t troubles = 0;
  std::uint32_t operations = 0;
  std::uint64_t events = 0;    // stepped into cores
  std::uint64_t messages = 0;  // that left members
};

}  // namespace coord::sim

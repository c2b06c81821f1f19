// coord-sim: runs simulated clusters from seeds and says what was reached.
//
//   coord-sim --seeds N [--first S] [--seconds T] [--jobs J] [--hashes]   runs N seeds, until
//             [--failures F]                                              F (or 3) have failed
//   coord-sim --seed S [--seconds T] [--trace]                            replays one
//   coord-sim --seed S [--seconds T] --shrink                             makes one that fails
//   smaller
//
// A failure prints the command that replays it. What a plan leaves out (plan.h) is said by
// --without KINDS, --troubles NUMBERS, --operations NUMBERS, --members N, --clients N.
//
// Exit code 0: nothing was violated, and a run of enough seeds reached every situation. 1: not so.
// 2: the arguments are none.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/sim/jobs.h"
#include "tests/sim/shrink.h"

namespace {

using namespace coord::sim;

constexpr std::size_t kTraceLinesShown = 60;
constexpr std::size_t kTraceLinesAll = 100'000'000;
constexpr std::uint64_t kShrinkRuns = 3000;

struct Arguments {
  Plan plan;  // of the first seed
  std::uint64_t seeds = 100;
  std::uint64_t jobs = 1;
  std::uint64_t failures = 3;  // as many are shown, and then no more is run
  bool single = false;
  bool trace = false;
  bool shrink = false;
  bool hashes = false;
};

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--trace" || name == "--shrink" || name == "--hashes") {
      arguments.trace |= name == "--trace";
      arguments.shrink |= name == "--shrink";
      arguments.hashes |= name == "--hashes";
      continue;
    }
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (name == "--seeds" || name == "--jobs" || name == "--failures") {
      const std::uint64_t number = std::strtoull(value.c_str(), nullptr, 10);
      if (number == 0) return false;
      if (name == "--seeds") arguments.seeds = number;
      if (name == "--jobs") arguments.jobs = number;
      if (name == "--failures") arguments.failures = number;
    } else if (name == "--first") {
      if (!take_argument(arguments.plan, "--seed", value)) return false;
    } else {
      if (!take_argument(arguments.plan, name, value)) return false;
      if (name == "--seed") {
        arguments.single = true;
        arguments.seeds = 1;
      }
    }
  }
  return !(arguments.shrink || arguments.trace) || arguments.single;
}

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
}

void say_failure(const Plan& plan, const RunResult& result) {
  say(fmt::format("seed {} after {:.6f} s: {}", plan.seed,
                  std::chrono::duration<double>(result.ended_at).count(),
                  result.violation.value_or("?")));
}

void say_how_to_replay(const Plan& plan) {
  say(fmt::format("replay: coord-sim {} --trace", to_arguments(plan)));
}

// Again, with words.
void tell_failure(const Plan& plan, const RunResult& result) {
  say_failure(plan, result);
  for (const std::string& line : run_apart(plan, kTraceLinesShown).trace) say(line);
  say_how_to_replay(plan);
}

int run_single(const Arguments& arguments) {
  const RunResult result =
      run_apart(arguments.plan, arguments.trace ? kTraceLinesAll : kTraceLinesShown);
  if (arguments.trace || result.violation) {
    for (const std::string& line : result.trace) say(line);
  }
  say(describe(draw_swarm(arguments.plan)));
  say(fmt::format("trace hash {:016x} after {} events, {} troubles, {} operations",
                  result.trace_hash, result.events, result.troubles, result.operations));
  if (!result.violation) return 0;
  say_failure(arguments.plan, result);
  say_how_to_replay(arguments.plan);
  return 1;
}

int run_shrink(const Arguments& arguments) {
  const RunIt run_it = [](const Plan& plan) { return run_apart(plan); };
  const Shrunk shrunk = shrink(arguments.plan, run_it, kShrinkRuns);
  if (!shrunk.result.violation) {
    say("this plan does not fail");
    return 0;
  }
  say(describe(draw_swarm(shrunk.plan)));
  tell_failure(shrunk.plan, shrunk.result);
  say(fmt::format("shrunk by {} runs: {} troubles and {} operations are left", shrunk.runs,
                  shrunk.plan.troubles.only ? shrunk.plan.troubles.only->size() : 0,
                  shrunk.plan.operations.only ? shrunk.plan.operations.only->size() : 0));
  return 1;
}

// Of the runs, which are child processes: what a busy machine does not spoil.
double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

int run_seeds(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  Coverage coverage;
  std::uint64_t seeds = 0;
  std::uint64_t events = 0;
  std::uint64_t failures = 0;
  const auto plan_of = [&](std::uint64_t i) {
    Plan plan = arguments.plan;
    plan.seed += i;
    return plan;
  };
  run_many(arguments.seeds, std::min(arguments.jobs, arguments.seeds), plan_of,
           [&](const Plan& plan, const RunResult& result) {
             ++seeds;
             events += result.events;
             coverage.add(result.coverage);
             if (arguments.hashes) {
               say(fmt::format("seed {} trace hash {:016x}", plan.seed, result.trace_hash));
             }
             if (!result.violation) return true;
             tell_failure(plan, result);
             return ++failures < arguments.failures;
           });
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  say(coverage.report());
  say(fmt::format(
      "{} seeds from {}, {} failed; {} events, {:.0f} a second of a processor; {:.1f} s "
      "with {} jobs",
      seeds, arguments.plan.seed, failures, events,
      static_cast<double>(events) / processor_seconds(), took, arguments.jobs));
  if (failures > 0) return 1;
  if (seeds < kSeedsThatReachAll) return 0;
  for (const Situation situation : coverage.never_reached()) {
    say(fmt::format("never reached: {}", to_string(situation)));
  }
  return coverage.never_reached().empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: coord-sim --seeds N [--first S] [--seconds T] [--jobs J] [--hashes]\n"
                 "                 [--failures F]\n"
                 "       coord-sim --seed S [--seconds T] [--trace | --shrink]\n"
                 "with [--without KINDS] [--troubles NUMBERS] [--operations NUMBERS]\n"
                 "     [--members N] [--clients N]\n");
    return 2;
  }
  if (arguments.shrink) return run_shrink(arguments);
  return arguments.single ? run_single(arguments) : run_seeds(arguments);
}

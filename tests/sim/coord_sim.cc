// coord-sim: runs simulated clusters from seeds and says what was reached.
//
//   coord-sim --seeds N [--first S] [--seconds T]   runs N seeds
//   coord-sim --seed S [--seconds T] [--trace]      replays one, prints its trace hash
//
// Exit code 0: nothing was violated, and a run of enough seeds reached every situation.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/run.h"

namespace {

using coord::sim::Coverage;
using coord::sim::RunOptions;
using coord::sim::RunResult;

constexpr std::size_t kTraceLinesShown = 60;

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 100;
  double seconds = 10;
  bool single = false;
  bool trace = false;
};

// For the handler of a failed CHECK, which ends the process.
volatile std::uint64_t current_seed = 0;
volatile double current_seconds = 0;

void say_which_seed(int) {
  std::fprintf(
      stderr,
      "seed %llu stopped by a failed CHECK; replay: coord-sim --seed %llu --seconds %g --trace\n",
      static_cast<unsigned long long>(current_seed), static_cast<unsigned long long>(current_seed),
      static_cast<double>(current_seconds));
  std::signal(SIGABRT, SIG_DFL);
}

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--trace") {
      arguments.trace = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const char* value = argv[++i];
    if (name == "--seeds") {
      arguments.seeds = std::strtoull(value, nullptr, 10);
    } else if (name == "--first") {
      arguments.first = std::strtoull(value, nullptr, 10);
    } else if (name == "--seed") {
      arguments.first = std::strtoull(value, nullptr, 10);
      arguments.seeds = 1;
      arguments.single = true;
    } else if (name == "--seconds") {
      arguments.seconds = std::strtod(value, nullptr);
    } else {
      return false;
    }
  }
  return true;
}

RunOptions options_of(const Arguments& arguments, std::uint64_t seed, bool tracing) {
  return {
      .seed = seed,
      .with_faults = coord::Duration(static_cast<coord::Duration::rep>(arguments.seconds * 1e9)),
      .tracing = tracing};
}

void report_failure(const Arguments& arguments, std::uint64_t seed, const RunResult& result) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), result.violation->c_str());
  if (!arguments.trace) {
    const RunResult again = coord::sim::run(options_of(arguments, seed, /*tracing=*/true));
    const std::size_t size = again.trace.size();
    for (std::size_t i = size > kTraceLinesShown ? size - kTraceLinesShown : 0; i < size; ++i) {
      std::printf("%s\n", again.trace[i].c_str());
    }
  }
  std::printf("replay: coord-sim --seed %llu --seconds %g --trace\n",
              static_cast<unsigned long long>(seed), arguments.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: coord-sim --seeds N [--first S] [--seconds T]\n"
                 "       coord-sim --seed S [--seconds T] [--trace]\n");
    return 2;
  }
  current_seconds = arguments.seconds;
  std::signal(SIGABRT, say_which_seed);
  const auto begin = std::chrono::steady_clock::now();
  Coverage coverage;
  std::uint64_t events = 0;
  std::uint64_t failures = 0;
  for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
    current_seed = seed;
    const RunResult result = coord::sim::run(options_of(arguments, seed, arguments.trace));
    coverage.add(result.coverage);
    events += result.events;
    for (const std::string& line : result.trace) std::printf("%s\n", line.c_str());
    if (arguments.single) {
      std::printf("%s\ntrace hash %016llx after %llu events\n", describe(result.swarm).c_str(),
                  static_cast<unsigned long long>(result.trace_hash),
                  static_cast<unsigned long long>(result.events));
    }
    if (result.violation) {
      ++failures;
      report_failure(arguments, seed, result);
      if (failures == 3) break;
    }
  }
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!arguments.single) std::printf("%s", coverage.report().c_str());
  std::printf("%llu seeds from %llu, %llu events, %.0f events/s, %llu failed\n",
              static_cast<unsigned long long>(arguments.seeds),
              static_cast<unsigned long long>(arguments.first),
              static_cast<unsigned long long>(events), static_cast<double>(events) / took,
              static_cast<unsigned long long>(failures));
  if (failures > 0) return 1;
  if (arguments.seeds >= coord::sim::kSeedsThatReachAll && !coverage.never_reached().empty()) {
    for (const auto situation : coverage.never_reached()) {
      std::printf("never reached: %s\n", std::string(to_string(situation)).c_str());
    }
    return 1;
  }
  return 0;
}

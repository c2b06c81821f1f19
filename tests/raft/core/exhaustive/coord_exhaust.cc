// coord-exhaust: searches all that small clusters of real cores can come to.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/raft/core/exhaustive/scenarios.h"

namespace {

using namespace coord::raft::exhaustive;

int usage() {
  std::fputs(
      "usage: coord-exhaust [--scenario NAME] [--states N] [--seconds S] [--BOUND N]...\n"
      "Limits are for each scenario. Without them each is searched to its end, however long it "
      "takes.\nBounds replace the scenario's: timeouts, proposals, changes, crashes, "
      "transfers.\n\n",
      stderr);
  for (const Scenario& scenario : scenarios()) {
    fmt::print(stderr, "  {:<12} {}\n", scenario.name, scenario.what);
  }
  return 2;
}

// Sets a bound that is named so; false: there is none of that name.
bool set(Bounds& bounds, std::string_view name, std::uint8_t value) {
  if (name == "--timeouts") return bounds.timeouts = value, true;
  if (name == "--proposals") return bounds.proposals = value, true;
  if (name == "--changes") return bounds.changes = value, true;
  if (name == "--crashes") return bounds.crashes = value, true;
  if (name == "--transfers") return bounds.transfers = value, true;
  return false;
}

bool search(const Scenario& scenario, const Limits& limits) {
  const Report report = Search(scenario).run(limits);
  fmt::print(
      "{:<12} {:>10} states, {:>11} transitions, {:>6} of members, {:>5} messages, {}: "
      "{:.1f} s, {:.0f} states a second\n",
      scenario.name, report.states, report.transitions, report.member_states, report.messages,
      report.complete ? "all there are" : fmt::format("all {} steps away", report.depth),
      report.seconds, static_cast<double>(report.states) / report.seconds);
  if (report.broken.empty()) return true;
  fmt::print("BROKEN: {}\n", report.broken);
  for (const std::string& line : report.trace) fmt::print("  {}\n", line);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  Limits limits;
  std::string_view only;
  std::vector<std::pair<std::string_view, std::uint8_t>> bounds;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return usage();
    if (option == "--scenario") {
      only = argv[++i];
    } else if (option == "--states") {
      limits.states_max = std::strtoull(argv[++i], nullptr, 10);
    } else if (option == "--seconds") {
      limits.seconds_max = std::strtod(argv[++i], nullptr);
    } else {
      Bounds ignored;
      const std::uint64_t value = std::strtoull(argv[++i], nullptr, 10);
      if (value > 100 || !set(ignored, option, 0)) return usage();
      bounds.emplace_back(option, static_cast<std::uint8_t>(value));
    }
  }
  bool found = false;
  bool sound = true;
  for (Scenario scenario : scenarios()) {
    for (const auto& [name, value] : bounds) set(scenario.bounds, name, value);
    if (!only.empty() && only != scenario.name) continue;
    found = true;
    sound = search(scenario, limits) && sound;
    std::fflush(stdout);
  }
  if (!found) return usage();
  return sound ? 0 : 1;
}

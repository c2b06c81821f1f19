// What is run: a seed, for how long, and what of it is left out. The whole of a run follows from
// its plan, and a plan can be said on a command line.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/swarm.h"

namespace coord::sim {

// Decisions of one kind are numbered from 1 in the order in which they come up. Each kind has dice
// of its own, so that leaving some out does not change what the others are.
struct Selection {
  // Nothing: all. Else these only, sorted.
  std::optional<std::vector<std::uint32_t>> only = {};

  bool has(std::uint32_t number) const;
  friend bool operator==(const Selection&, const Selection&) = default;
};

struct Plan {
  std::uint64_t seed = 1;
  Duration with_faults = seconds(30);
  std::set<Fault> without = {};
  Selection troubles = {};    // of the nemesis
  Selection operations = {};  // of clients
  std::optional<std::uint64_t> members = {};
  std::optional<std::uint64_t> clients = {};

  friend bool operator==(const Plan&, const Plan&) = default;
};

// "--seed 7 --seconds 2.5 --without loss,replays --troubles 3,9-12"
std::string to_arguments(const Plan& plan);
// Takes in one such argument; false if it is none, or has no such value.
bool take_argument(Plan& plan, const std::string& name, const std::string& value);
// A whole line of them, as to_arguments() makes it; what follows a # is for people. Nothing if it
// is no plan.
std::optional<Plan> parse_plan(const std::string& line);
// "3,9-12"; nothing if it is no such list. An empty text is an empty list.
std::optional<std::vector<std::uint32_t>> parse_numbers(const std::string& text);
std::string print_numbers(const std::vector<std::uint32_t>& numbers);
std::optional<std::set<Fault>> parse_faults(const std::string& text);

// The swarm of the plan's seed, with what the plan leaves out left out.
Swarm draw_swarm(const Plan& plan);

}  // namespace coord::sim

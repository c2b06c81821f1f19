#include "tests/sim/plan.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

namespace coord::sim {

namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

bool Selection::has(std::uint32_t number) const {
  return !only || std::binary_search(only->begin(), only->end(), number);
}

std::optional<std::vector<std::uint32_t>> parse_numbers(const std::string& text) {
  std::vector<std::uint32_t> numbers;
  for (const std::string_view part : split(text)) {
    const std::size_t dash = part.find('-');
    const auto first = parse_number(part.substr(0, dash));
    const auto last = dash == part.npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first > 1'000'000) return std::nullopt;
    for (std::uint32_t i = *first; i <= *last; ++i) numbers.push_back(i);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string print_numbers(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(numbers[i]);
    if (end - i > 1) text += '-' + std::to_string(numbers[end - 1]);
    i = end;
  }
  return text;
}

std::optional<std::set<Fault>> parse_faults(const std::string& text) {
  std::set<Fault> faults;
  for (const std::string_view part : split(text)) {
    bool found = false;
    for (int i = 0; i < static_cast<int>(Fault::kCount); ++i) {
      if (to_string(static_cast<Fault>(i)) != part) continue;
      faults.insert(static_cast<Fault>(i));
      found = true;
    }
    if (!found) return std::nullopt;
  }
  return faults;
}

bool take_argument(Plan& plan, const std::string& name, const std::string& value) {
  const auto number = [&]() -> std::optional<std::uint64_t> {
    std::uint64_t parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
    return parsed;
  };
  if (name == "--seed") {
    const auto seed = number();
    plan.seed = seed.value_or(0);
    return seed.has_value();
  }
  if (name == "--seconds") {
    char* end = nullptr;
    const double parsed = std::strtod(value.c_str(), &end);
    plan.with_faults = Duration(static_cast<Duration::rep>(parsed * 1e9 + 0.5));
    return !value.empty() && *end == '\0' && parsed >= 0;
  }
  if (name == "--members") return (plan.members = number()).has_value();
  if (name == "--clients") return (plan.clients = number()).has_value();
  if (name == "--troubles") return (plan.troubles.only = parse_numbers(value)).has_value();
  if (name == "--operations") return (plan.operations.only = parse_numbers(value)).has_value();
  if (name == "--without") {
    const auto faults = parse_faults(value);
    plan.without = faults.value_or(std::set<Fault>());
    return faults.has_value();
  }
  return false;
}

std::optional<Plan> parse_plan(const std::string& line) {
  Plan plan;
  std::istringstream words(line.substr(0, line.find('#')));
  std::string name;
  std::string value;
  bool seeded = false;
  while (words >> name) {
    if (!(words >> value)) return std::nullopt;
    // As a shell would.
    std::erase(value, '\'');
    if (!take_argument(plan, name, value)) return std::nullopt;
    seeded |= name == "--seed";
  }
  if (!seeded) return std::nullopt;
  return plan;
}

std::string to_arguments(const Plan& plan) {
  std::string text = fmt::format("--seed {} --seconds {:.10g}", plan.seed,
                                 std::chrono::duration<double>(plan.with_faults).count());
  if (plan.members) text += fmt::format(" --members {}", *plan.members);
  if (plan.clients) text += fmt::format(" --clients {}", *plan.clients);
  if (!plan.without.empty()) {
    std::string list;
    for (const Fault fault : plan.without) {
      if (!list.empty()) list += ',';
      list += to_string(fault);
    }
    text += " --without " + list;
  }
  if (plan.troubles.only) text += " --troubles '" + print_numbers(*plan.troubles.only) + "'";
  if (plan.operations.only) text += " --operations '" + print_numbers(*plan.operations.only) + "'";
  return text;
}

Swarm draw_swarm(const Plan& plan) {
  Swarm swarm = draw_swarm(plan.seed);
  for (const Fault fault : plan.without) remove(swarm, fault);
  if (plan.members) shrink_cluster(swarm, *plan.members);
  if (plan.clients) swarm.clients = *plan.clients;
  return swarm;
}

}  // namespace coord::sim

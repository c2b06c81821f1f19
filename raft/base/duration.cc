#include "raft/base/duration.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace coord {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 5> kUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr double kMaxMs = 1000.0 * 366 * 86'400'000;

Error wrong(std::string_view text, std::string_view why) {
  return make_error(ErrorCode::kInvalidArgument,
                    "'{}' is not a duration: {} (write it like 500ms, 10s or 2m)", text, why);
}

const Unit* find_unit(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return milliseconds(0);
  if (text.empty()) return wrong(text, "it is empty");
  double total_ms = 0;
  for (std::string_view rest = text; !rest.empty();) {
    if (rest.front() == '-') return wrong(text, "it is negative");
    double number = 0;
    const auto [number_end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number)) return wrong(text, "a number is missing");
    rest.remove_prefix(static_cast<std::size_t>(number_end - rest.data()));
    const std::size_t unit_size = std::min(rest.find_first_of("0123456789.-"), rest.size());
    const Unit* unit = find_unit(rest.substr(0, unit_size));
    if (unit == nullptr) {
      return wrong(text, unit_size == 0 ? "the unit is missing" : "the unit is unknown");
    }
    rest.remove_prefix(unit_size);
    total_ms += number * static_cast<double>(unit->ms);
    if (total_ms > kMaxMs) return wrong(text, "it is longer than a thousand years");
  }
  return milliseconds(std::llround(total_ms));
}

std::string format_duration(milliseconds duration) {
  std::int64_t rest = duration.count();
  if (rest < 0) return "-" + format_duration(milliseconds(-rest));
  if (rest == 0) return "0s";
  if (rest < 1000) return fmt::format("{}ms", rest);
  std::string text;
  for (const Unit& unit : kUnits) {
    if (unit.ms < 1000 || rest < unit.ms) continue;
    if (unit.ms == 1000) {
      text += rest % 1000 == 0 ? fmt::format("{}s", rest / 1000)
                               : fmt::format("{:g}s", static_cast<double>(rest) / 1000);
      return text;
    }
    text += fmt::format("{}{}", rest / unit.ms, unit.name);
    rest %= unit.ms;
  }
  if (rest > 0) text += fmt::format("{}ms", rest);
  return text;
}

}  // namespace coord

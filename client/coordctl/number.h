// Numbers as people write them: decimal digits from beginning to end, and nothing that does not
// fit.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace coord::ctl {

// An unsigned Number takes no sign.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace coord::ctl

#include "service/state/printable.h"

#include <fmt/format.h>

#include <iterator>

namespace coord::service {

namespace {
constexpr std::size_t kShownMax = 64;
}  // namespace

std::string printable(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes.substr(0, kShownMax)) {
    if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
      text += c;
    } else {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  text += bytes.size() > kShownMax ? "\"..." : "\"";
  return text;
}

}  // namespace coord::service

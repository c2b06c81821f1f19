// Keys and names in messages for people.
#pragma once

#include <string>
#include <string_view>

namespace coord::service {

// In quotes; bytes outside of ASCII's printable ones as \xNN; a long one is cut and ends in "...".
std::string printable(std::string_view bytes);

}  // namespace coord::service

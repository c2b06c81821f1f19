// Durations as people type them: numbers with units, "500ms", "10s", "1.5m", "1h30m".
#pragma once

#include <string>
#include <string_view>

#include "raft/base/result.h"
#include "raft/base/types.h"

namespace coord {

// Units: ms, s, m, h, d; only 0 may go without. Rounded to the millisecond, at most a thousand
// years, never negative. kInvalidArgument says what is wrong with the text.
Result<milliseconds> parse_duration(std::string_view text);

// "250ms", "1.5s", "2m", "1h30m": what parse_duration reads back as the same.
std::string format_duration(milliseconds duration);

}  // namespace coord

// Bytes on a line of text: what is printable as it is, everything else as an escape.
#pragma once

#include <string>
#include <string_view>

#include "raft/base/result.h"

namespace coord::ctl {

// Control characters, the backslash and what is not UTF-8 become \n, \t, \r, \\ or \xHH, so that
// the bytes fill one field of one line whatever they are; unescape() gives them back.
std::string escape(std::string_view bytes);

// The same in double quotes, which are then escaped too: where blanks part words.
std::string quote(std::string_view bytes);

// The same, cut after some sixty bytes: for messages.
std::string brief(std::string_view bytes);

// kInvalidArgument names the escape that is none.
Result<std::string> unescape(std::string_view text);

}  // namespace coord::ctl

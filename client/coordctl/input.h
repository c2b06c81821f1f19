// What coordctl reads: values given as an argument, or on standard input.
#pragma once

#include <string>

#include "raft/base/result.h"

namespace coord::ctl {

// Standard input to its end. More than a request can hold is not read (kRequestTooLarge).
Result<std::string> read_standard_input();

// The argument itself; for "-", standard input.
Result<std::string> value_of(const std::string& argument);

}  // namespace coord::ctl

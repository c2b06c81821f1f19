// Commands made of a seed: few keys, leases, locks and sequences, so that they meet.
#pragma once

#include <cstdint>

#include "tests/service/state/commands.h"

namespace coord::service {

// `revision` and `applied`, the index of the entry before it: about where the state is, so that
// revisions, tokens and expiries in the command may fit.
commands::CommandFill random_command(std::uint64_t seed, std::uint64_t revision,
                                     std::uint64_t applied);

}  // namespace coord::service

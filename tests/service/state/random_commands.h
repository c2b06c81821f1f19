// Commands made of a seed: few keys, leases, locks and sequences, so that they meet.
#pragma once

#include <cstdint>

#include "tests/service/state/commands.h"

namespace coord::service {

// `revision`: about where the state is, so that revisions and tokens in the command may fit.
commands::CommandFill random_command(std::uint64_t seed, std::uint64_t revision);

}  // namespace coord::service

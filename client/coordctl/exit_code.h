// What coordctl's exit code says. The list is part of the interface: scripts depend on it.
#pragma once

#include "raft/base/error.h"

namespace coord::ctl {

enum class ExitCode : int {
  kOk = 0,
  kOther = 1,
  kUsage = 2,
  kNotFound = 3,
  kCompareFailed = 4,
  // A lock or a leadership was not obtained, or was lost.
  kNotHeld = 5,
  kOutcomeUnknown = 6,
  // No quorum, or no member could be reached, in time.
  kUnavailable = 7,
  // Refused by a limit or a permission, or a change of the members that cannot be made now.
  kRefused = 8,
};

// An unknown outcome says more than what caused it, so it goes before the error's code.
ExitCode exit_code_of(const Error& error);

// The table, as --help shows it.
extern const char* const kExitCodeHelp;

}  // namespace coord::ctl

// A command that runs for as long as something is held.
#pragma once

#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "client/coordctl/interrupts.h"
#include "raft/base/result.h"
#include "raft/base/types.h"

namespace coord::ctl {

struct ChildOptions {
  std::vector<std::string> command;                              // looked up in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // added to our own
  std::stop_token lost;
  // From TERM to KILL, once lost.
  milliseconds grace{5000};
};

struct ChildResult {
  bool lost = false;
  // 128 + signal if a signal ended it; 127 if there is no such command, 126 if it cannot be run.
  int exit_code = 0;
  // Why it could not be run; empty if it was.
  std::string failure = {};
};

// Runs the command in a process group of its own, to which SIGINT, SIGTERM and SIGHUP are passed
// on. When the terminal stops it, coordctl stops too until a shell has it go on; nothing is renewed
// meanwhile. When `lost` is requested, the whole group gets SIGTERM, and SIGKILL after `grace`.
// Should coordctl itself be killed, the command gets SIGTERM. Takes every child of this process to
// be the command's.
Result<ChildResult> run_child(Interrupts& interrupts, const ChildOptions& options);

}  // namespace coord::ctl

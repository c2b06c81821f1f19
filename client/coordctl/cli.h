// The command line: flags, commands and their help.
#pragma once

namespace coord::ctl {

// Parses the arguments of main(), runs the command, and returns the exit code.
int run_command_line(int argc, const char* const* argv);

}  // namespace coord::ctl

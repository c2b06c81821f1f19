// Scenarios as text: lines that begin with "> " are commands, what follows each is what happened.
// Kept in scripts/*.txt, where a person can read how the protocol works and see in a diff what a
// change makes of it.
#pragma once

#include <string>
#include <string_view>

namespace coord::raft {

// The commands of `script`, each with what happens now. Comments (#) and empty lines stay. What
// "elect" takes is left out, and so are the heartbeats of "run".
std::string play(std::string_view script);

// Where the two differ, as lines with - and +; empty if nowhere.
std::string difference(std::string_view expected, std::string_view actual);

}  // namespace coord::raft

// What the tree's structure promises, as functions over text, so that each rule can be shown to
// catch what it is for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace coord::lint {

// One finding, ready to print: "raft/core/x.cc:12: ...".
using Findings = std::vector<std::string>;

// Checks every #include of a file at `path` (relative to the root) against the dependency table.
Findings check_includes(std::string_view path, std::string_view text);

// Checks the undefined symbols of a pure library, as `nm -uC` prints them: no clock, thread, lock,
// randomness, environment or I/O.
Findings check_pure_symbols(std::string_view library, std::string_view nm_output);

// Checks a text file for what no file of the tree may hold: paths of a machine.
Findings check_words(std::string_view path, std::string_view text);

// Checks that the names at the top of the tree are the fixed ones.
Findings check_top_level(const std::vector<std::string>& names);

}  // namespace coord::lint

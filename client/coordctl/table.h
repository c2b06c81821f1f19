// Lines with columns, for people.
#pragma once

#include <string>
#include <vector>

#include "client/coordctl/context.h"

namespace coord::ctl {

using TableRow = std::vector<std::string>;

// Each column as wide as its widest field; all rows have as many as the first.
void print_table(const Printer& out, const std::vector<TableRow>& rows);

}  // namespace coord::ctl

#include "client/coordctl/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace coord::ctl {

void print_table(const Printer& out, const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const TableRow& row : rows) {
    std::string line;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      line += fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    out.line(line + row.back());
  }
}

}  // namespace coord::ctl

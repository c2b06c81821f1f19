#include "service/store/control_groups.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <utility>

namespace coord::service {

ControlGroups::ControlGroups(std::filesystem::path root, std::filesystem::path membership)
    : root_(std::move(root)), membership_(std::move(membership)) {}

// Both files say "max" where there is no limit, and the topmost group of all has neither.
std::uint64_t ControlGroups::memory_bytes() const {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for_each("memory.max", [&least](std::ifstream& file) {
    std::uint64_t bytes = 0;
    if (file >> bytes) least = std::min(least, bytes);
  });
  return least;
}

double ControlGroups::processors() const {
  double least = std::numeric_limits<double>::infinity();
  for_each("cpu.max", [&least](std::ifstream& file) {
    double quota = 0;
    double period = 0;
    if (file >> quota >> period && period > 0) least = std::min(least, quota / period);
  });
  return least;
}

void ControlGroups::for_each(const std::string& name,
                             const std::function<void(std::ifstream&)>& take) const {
  std::ifstream groups(membership_);
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;  // of the hierarchy that has them all
    for (std::filesystem::path group = line.substr(4);; group = group.parent_path()) {
      if (std::ifstream file(root_ / group / name); file) take(file);
      if (group.empty()) break;
    }
  }
}

}  // namespace coord::service

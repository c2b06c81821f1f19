// What the kernel's control groups (version 2) allow this process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>

namespace coord::service {

class ControlGroups {
 public:
  explicit ControlGroups(std::filesystem::path root = "/sys/fs/cgroup",
                         std::filesystem::path membership = "/proc/self/cgroup");

  // The least that this process's group and those above it allow; the most there is if none of them
  // says anything. What the page cache holds for this process counts as its memory.
  std::uint64_t memory_bytes() const;
  // 0.5 is half of one processor's time.
  double processors() const;

 private:
  // Of each group that has it.
  void for_each(const std::string& file, const std::function<void(std::ifstream&)>& take) const;

  std::filesystem::path root_;
  std::filesystem::path membership_;
};

}  // namespace coord::service

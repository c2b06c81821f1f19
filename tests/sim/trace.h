// What happened in a run: a hash over all of it, and in words the newest part, if somebody wants to
// read it.
#pragma once

#include <deque>
#include <string>

#include "raft/base/types.h"

namespace coord::sim {

class Trace {
 public:
  // `lines_max` zero: no words.
  explicit Trace(std::size_t lines_max) : lines_max_(lines_max) {}

  bool has_words() const { return lines_max_ > 0; }
  void add(Instant now, const std::string& line) {
    if (lines_.size() == lines_max_) lines_.pop_front();
    lines_.push_back(fmt::format(
        "{:12.6f}  {}", std::chrono::duration<double>(now.time_since_epoch()).count(), line));
  }
  const std::deque<std::string>& lines() const { return lines_; }

  void mix(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15u;
    hash_ ^= hash_ >> 29;
  }
  std::uint64_t hash() const { return hash_; }

 private:
  const std::size_t lines_max_;
  std::deque<std::string> lines_;
  std::uint64_t hash_ = 0;
};

}  // namespace coord::sim

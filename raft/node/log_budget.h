// How much log is kept for members that lag behind: as many of the newest entries as take so many
// bytes. Knows sizes only roughly, in steps. Owned by the node.
#pragma once

#include <cstdint>
#include <deque>

#include "raft/base/types.h"

namespace coord::raft {

class LogBudget {
 public:
  // `first`: the last entry of which nothing is known; what lies before it counts for nothing.
  LogBudget(Index first, std::uint64_t step_bytes) : step_bytes_(step_bytes), marks_{{first, 0}} {}

  // The entries up to there take so many bytes more.
  void add(Index through, std::size_t bytes) {
    total_ += bytes;
    if (total_ - marks_.back().total >= step_bytes_) marks_.push_back({through, total_});
  }

  // Everything up to there lies further back than `bytes_kept`.
  Index beyond(std::uint64_t bytes_kept) {
    Index beyond;
    for (const Mark& mark : marks_) {
      if (total_ - mark.total < bytes_kept) break;
      beyond = mark.through;
    }
    return beyond;
  }

  // The log begins after that entry.
  void cut(Index through) {
    while (marks_.size() > 1 && marks_[1].through <= through) marks_.pop_front();
  }

 private:
  struct Mark {
    Index through;
    std::uint64_t total;  // of the bytes up to there
  };
  std::uint64_t step_bytes_;
  std::deque<Mark> marks_;  // never empty
  std::uint64_t total_ = 0;
};

}  // namespace coord::raft

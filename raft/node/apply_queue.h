// Committed entries on their way to the state machine, in slices. Owned by the node.
#pragma once

#include <cstddef>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "raft/core/types.h"

namespace coord::raft {

class ApplyQueue {
 public:
  bool empty() const { return next_ == entries_.size(); }

  void push(std::vector<Entry> entries) {
    if (empty()) {
      entries_ = std::move(entries);
    } else {
      entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(next_));
      entries_.insert(entries_.end(), std::make_move_iterator(entries.begin()),
                      std::make_move_iterator(entries.end()));
    }
    next_ = 0;
  }

  // The next entries, at least one, as long as they stay within both bounds. Valid until push().
  std::span<const Entry> take(std::size_t entries_max, std::size_t bytes_max) {
    const std::size_t first = next_;
    std::size_t bytes = 0;
    while (next_ < entries_.size() && next_ - first < entries_max) {
      bytes += entries_[next_].payload.size();
      if (bytes > bytes_max && next_ > first) break;
      ++next_;
    }
    return std::span(entries_).subspan(first, next_ - first);
  }

 private:
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
};

}  // namespace coord::raft

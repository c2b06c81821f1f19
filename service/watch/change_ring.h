// The newest changes, copied once for all watches that keep up. Only revisions that concern some
// watch are kept, so that what nobody watches costs nothing.
//
// Loop thread.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "service/state/state.h"

namespace coord::service {

class ChangeRing {
 public:
  struct Entry {
    Revision revision;
    std::vector<Change> changes;  // views into `bytes`
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };

  explicit ChangeRing(Revision complete_from) : complete_from_(complete_from) {}

  void push(Revision revision, std::span<const Change> changes);
  void pop();
  // Drops all, when nobody watches.
  void reset(Revision complete_from);

  bool empty() const { return entries_.empty(); }
  const Entry& front() const { return entries_.front(); }
  std::size_t bytes() const { return bytes_; }

  // From that revision on nothing was dropped.
  Revision complete_from() const { return complete_from_; }
  // The first one at or after that revision; null if there is none.
  const Entry* find(Revision revision) const;

 private:
  std::deque<Entry> entries_;
  Revision complete_from_;
  std::size_t bytes_ = 0;
};

}  // namespace coord::service

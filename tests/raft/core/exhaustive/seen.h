// A set of words that only grows, eight bytes each and a little room.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace coord::raft::exhaustive {

class Seen {
 public:
  Seen() : slots_(1 << 16) {}

  // True if it is new.
  bool insert(std::uint64_t word) {
    if (word == 0) word = 1;  // zero is an empty slot
    if (size_ * 4 > slots_.size() * 3) grow();
    std::uint64_t& slot = find(word);
    if (slot == word) return false;
    slot = word;
    ++size_;
    return true;
  }
  std::uint64_t size() const { return size_; }

 private:
  std::uint64_t& find(std::uint64_t word) {
    std::size_t at = word & (slots_.size() - 1);
    while (slots_[at] != 0 && slots_[at] != word) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  void grow() {
    const std::vector<std::uint64_t> old = std::exchange(slots_, {});
    slots_.resize(old.size() * 2);
    for (const std::uint64_t word : old) {
      if (word != 0) find(word) = word;
    }
  }

  std::vector<std::uint64_t> slots_;
  std::uint64_t size_ = 0;
};

}  // namespace coord::raft::exhaustive

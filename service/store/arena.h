// Memory that is given out piece by piece and taken back all at once: what an overlay's keys,
// values and tree nodes live in. A used arena keeps its blocks for the next round, so that a loop
// that writes at full speed neither pays for page faults nor stalls on giving memory back.
//
// One thread at a time. What is not given out is poisoned for the address sanitizer; what is given
// out is not, whatever whoever had it before has poisoned, as containers do with the free part of
// their nodes.
#pragma once

#include <sanitizer/asan_interface.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace coord::service {

class Arena {
 public:
  // Aligned to 8 bytes. Never null.
  std::byte* allocate(std::size_t bytes) {
    bytes = (bytes + 7) & ~std::size_t{7};
    used_ += bytes;
    if (bytes > left_) [[unlikely]]
      return allocate_slow(bytes);
    std::byte* place = next_;
    next_ += bytes;
    left_ -= bytes;
    ASAN_UNPOISON_MEMORY_REGION(place, bytes);
    return place;
  }

  // Takes everything back. Keeps up to `keep_bytes` of blocks for reuse.
  void reset(std::size_t keep_bytes);

  // Bytes given out since the last reset.
  std::size_t used() const { return used_; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;
  };

  std::byte* allocate_slow(std::size_t bytes);

  std::vector<Block> blocks_;     // in use
  std::vector<Block> spare_;      // of kBlockBytes each
  std::vector<Block> oversized_;  // one piece each
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t used_ = 0;
};

// For containers whose nodes live in an arena. Giving memory back does nothing until the arena is
// reset.
template <class T>
class ArenaAllocator {
 public:
  using value_type = T;

  explicit ArenaAllocator(Arena& arena) : arena_(&arena) {}
  template <class U>
  ArenaAllocator(const ArenaAllocator<U>& other) : arena_(other.arena()) {}

  T* allocate(std::size_t n) {
    static_assert(alignof(T) <= 8);
    return reinterpret_cast<T*>(arena_->allocate(n * sizeof(T)));
  }
  void deallocate(T*, std::size_t) {}
  Arena* arena() const { return arena_; }

  template <class U>
  friend bool operator==(const ArenaAllocator& a, const ArenaAllocator<U>& b) {
    return a.arena() == b.arena();
  }

 private:
  Arena* arena_;
};

}  // namespace coord::service

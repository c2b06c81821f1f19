#include "service/store/arena.h"

#include <algorithm>

namespace coord::service {

namespace {
constexpr std::size_t kFirstBlockBytes = std::size_t{32} << 10;
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
// A piece that large gets a block of its own, so that at most that much of a block is wasted.
constexpr std::size_t kOversizedBytes = kBlockBytes / 4;
}  // namespace

std::byte* Arena::allocate_slow(std::size_t bytes) {
  if (bytes > kOversizedBytes) {
    oversized_.push_back({std::unique_ptr<std::byte[]>(new std::byte[bytes]), bytes});
    return oversized_.back().memory.get();
  }
  if (!spare_.empty()) {
    blocks_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  } else {
    // Small to begin with: a process of many stores, as a simulation is, pays for what it uses.
    const std::size_t wanted = blocks_.empty() ? kFirstBlockBytes : blocks_.back().size * 2;
    const std::size_t size = std::clamp(wanted, bytes, kBlockBytes);
    blocks_.push_back({std::unique_ptr<std::byte[]>(new std::byte[size]), size});
  }
  std::byte* place = blocks_.back().memory.get();
  ASAN_POISON_MEMORY_REGION(place, blocks_.back().size);
  ASAN_UNPOISON_MEMORY_REGION(place, bytes);
  next_ = place + bytes;
  left_ = blocks_.back().size - bytes;
  return place;
}

void Arena::reset(std::size_t keep_bytes) {
  oversized_.clear();
  for (Block& block : blocks_) {
    if (block.size != kBlockBytes) continue;
    ASAN_POISON_MEMORY_REGION(block.memory.get(), block.size);
    spare_.push_back(std::move(block));
  }
  blocks_.clear();
  if (spare_.size() > keep_bytes / kBlockBytes) spare_.resize(keep_bytes / kBlockBytes);
  next_ = nullptr;
  left_ = 0;
  used_ = 0;
}

}  // namespace coord::service

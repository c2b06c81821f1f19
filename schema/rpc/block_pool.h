// Blocks of memory that streams borrow while bytes are under way, so that an idle connection holds
// none. One pool for each size and loop; loop thread only. Blocks go back to the pool they came
// from.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace coord::rpc {

class BlockPool {
 public:
  using Block = std::unique_ptr<std::byte[]>;

  // At most `spare_max` blocks are kept when nobody uses them; more go back to the allocator.
  BlockPool(std::size_t block_bytes, std::size_t spare_max)
      : block_bytes_(block_bytes), spare_max_(spare_max) {}

  std::size_t block_bytes() const { return block_bytes_; }

  Block take() {
    if (spare_.empty()) return Block(new std::byte[block_bytes_]);
    Block block = std::move(spare_.back());
    spare_.pop_back();
    return block;
  }
  void give_back(Block block) {
    if (spare_.size() < spare_max_) spare_.push_back(std::move(block));
  }

 private:
  std::size_t block_bytes_;
  std::size_t spare_max_;
  std::vector<Block> spare_;
};

}  // namespace coord::rpc

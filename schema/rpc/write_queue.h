// Bytes on their way to one socket: appended by copying, sent from the front with as few system
// calls as possible. Holds blocks only while it holds bytes. Owned by a Stream.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <span>

#include "raft/base/check.h"
#include "schema/rpc/block_pool.h"

namespace coord::rpc {

class WriteQueue {
 public:
  explicit WriteQueue(BlockPool& pool) : pool_(pool) {}
  ~WriteQueue() { clear(); }
  WriteQueue(const WriteQueue&) = delete;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void append(const void* data, std::size_t bytes) {
    const auto* source = static_cast<const std::byte*>(data);
    while (bytes > 0) {
      if (blocks_.empty() || tail_ == pool_.block_bytes()) {
        blocks_.push_back(pool_.take());
        tail_ = 0;
      }
      const std::size_t n = std::min(bytes, pool_.block_bytes() - tail_);
      std::memcpy(blocks_.back().get() + tail_, source, n);
      tail_ += n;
      size_ += n;
      source += n;
      bytes -= n;
    }
  }

  // The front of the queue as the pieces of one writev; returns how many were filled in.
  std::size_t front(std::span<iovec> pieces) const {
    std::size_t count = 0;
    std::size_t begin = head_;
    for (const auto& block : blocks_) {
      if (count == pieces.size()) break;
      const std::size_t end = &block == &blocks_.back() ? tail_ : pool_.block_bytes();
      pieces[count++] = {block.get() + begin, end - begin};
      begin = 0;
    }
    return count;
  }

  void consume(std::size_t bytes) {
    CHECK_LE(bytes, size_);
    size_ -= bytes;
    if (size_ == 0) return clear();
    head_ += bytes;
    while (head_ >= pool_.block_bytes()) {
      head_ -= pool_.block_bytes();
      pool_.give_back(std::move(blocks_.front()));
      blocks_.pop_front();
    }
  }

  void clear() {
    for (auto& block : blocks_) pool_.give_back(std::move(block));
    blocks_.clear();
    head_ = tail_ = size_ = 0;
  }

 private:
  BlockPool& pool_;
  std::deque<BlockPool::Block> blocks_;
  std::size_t head_ = 0;  // of the first block: where the bytes not yet sent begin
  std::size_t tail_ = 0;  // of the last block: where the next byte goes
  std::size_t size_ = 0;
};

}  // namespace coord::rpc

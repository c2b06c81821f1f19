// Bytes: an immutable byte string that is shared instead of copied.
//
// An entry's payload is encoded once and then referred to by the log in memory, the log writer's
// thread, the messages to every peer and the state machine. Copying a Bytes counts a reference
// (atomically, because the log writer drops its own on another thread); the bytes never change
// after construction. A slice keeps its whole buffer alive.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "raft/base/check.h"

namespace coord {

class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes& other) noexcept
      : block_(other.block_), data_(other.data_), size_(other.size_) {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Bytes(Bytes&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Bytes& operator=(Bytes other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Bytes() { release(); }

  static Bytes copy_of(std::span<const std::byte> source) {
    return make(source.size(), [&](std::span<std::byte> target) {
      if (!source.empty()) std::memcpy(target.data(), source.data(), source.size());
    });
  }
  static Bytes copy_of(std::string_view source) {
    return copy_of(std::as_bytes(std::span(source.data(), source.size())));
  }
  // `fill(std::span<std::byte>)` writes the bytes, all of them, before anyone else sees them. The
  // buffer is aligned to 16 bytes, so that Cap'n Proto can read a message in place.
  template <class Fill>
  static Bytes make(std::size_t size, Fill&& fill) {
    Bytes bytes;
    if (size == 0) return bytes;
    bytes.block_ = new (::operator new(sizeof(Block) + size)) Block();
    std::byte* data = reinterpret_cast<std::byte*>(bytes.block_) + sizeof(Block);
    bytes.data_ = data;
    bytes.size_ = size;
    fill(std::span<std::byte>(data, size));
    return bytes;
  }

  Bytes slice(std::size_t offset, std::size_t size) const {
    CHECK(offset <= size_ && size <= size_ - offset, "slice {}+{} of {}", offset, size, size_);
    Bytes part = *this;
    part.data_ = data_ + offset;
    part.size_ = size;
    return part;
  }

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> span() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view() == b.view(); }

 private:
  struct alignas(16) Block {
    std::atomic<std::uint64_t> references{1};
  };

  void release() noexcept {
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      block_->~Block();
      ::operator delete(block_);
    }
  }

  Block* block_ = nullptr;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace coord

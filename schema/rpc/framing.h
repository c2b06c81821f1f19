// The framing of Cap'n Proto's standard stream encoding, read from bytes that may not all be there.
// Pure; used by MessageStream.
#pragma once

#include <capnp/serialize.h>
#include <kj/array.h>
#include <kj/memory.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace coord::rpc {

// How many bytes the message takes that begins at `bytes`, segment table included. Nothing while
// the table itself is not all there. Throws if it announces more than `bytes_max` or an absurd
// number of segments.
std::optional<std::size_t> framed_size(std::span<const std::byte> bytes, std::size_t bytes_max);

// A reader of one whole framed message, which it copies.
kj::Own<capnp::MessageReader> read_framed(std::span<const std::byte> message,
                                          capnp::ReaderOptions options);

// A message that arrives in pieces. Holds at most twice the memory of what has arrived.
class Assembly {
 public:
  explicit Assembly(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  bool empty() const { return bytes_.empty(); }
  // Known once the segment table has arrived.
  std::optional<std::size_t> size() const { return size_; }
  bool complete() const { return size_.has_value() && bytes_.size() == *size_; }
  // Takes what belongs to this message from the front of `source`, and says how much that was.
  std::size_t take(std::span<const std::byte> source);
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::size_t bytes_max_;
  std::vector<std::byte> bytes_;
  std::optional<std::size_t> size_;
};

}  // namespace coord::rpc

#include "schema/rpc/framing.h"

#include <kj/debug.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace coord::rpc {

namespace {

constexpr std::size_t kSegmentsMax = 512;  // the library's own bound
constexpr std::size_t kWord = sizeof(capnp::word);

static_assert(std::endian::native == std::endian::little, "the table is little-endian");

std::uint32_t table_entry(std::span<const std::byte> bytes, std::size_t index) {
  std::uint32_t value;
  std::memcpy(&value, bytes.data() + index * sizeof(value), sizeof(value));
  return value;
}

struct WordsHolder {
  kj::Array<capnp::word> words;
};

// The bytes first, so that they are there when the reader is constructed on them.
class OwningReader final : private WordsHolder, public capnp::FlatArrayMessageReader {
 public:
  OwningReader(kj::Array<capnp::word> words, capnp::ReaderOptions options)
      : WordsHolder{kj::mv(words)},
        capnp::FlatArrayMessageReader(this->WordsHolder::words.asPtr(), options) {}
  ~OwningReader() noexcept {}
};

}  // namespace

std::optional<std::size_t> framed_size(std::span<const std::byte> bytes, std::size_t bytes_max) {
  if (bytes.size() < kWord) return std::nullopt;
  const std::size_t segments = std::size_t{table_entry(bytes, 0)} + 1;
  KJ_REQUIRE(segments < kSegmentsMax, "a message has too many segments", segments);
  const std::size_t table_bytes = (segments / 2 + 1) * kWord;
  if (bytes.size() < table_bytes) return std::nullopt;
  std::size_t size = table_bytes;
  for (std::size_t i = 1; i <= segments; ++i) size += table_entry(bytes, i) * kWord;
  KJ_REQUIRE(size <= bytes_max, "a message is too large", size, bytes_max);
  return size;
}

kj::Own<capnp::MessageReader> read_framed(std::span<const std::byte> message,
                                          capnp::ReaderOptions options) {
  auto words = kj::heapArray<capnp::word>(message.size() / kWord);
  std::memcpy(words.begin(), message.data(), message.size());
  return kj::heap<OwningReader>(kj::mv(words), options);
}

std::size_t Assembly::take(std::span<const std::byte> source) {
  std::size_t taken = 0;
  while (!complete() && taken < source.size()) {
    // The table is taken a word at a time: only all of it tells how long it is.
    const std::size_t wanted =
        size_.has_value() ? *size_ - bytes_.size() : kWord - bytes_.size() % kWord;
    const std::size_t n = std::min(wanted, source.size() - taken);
    bytes_.insert(bytes_.end(), source.begin() + static_cast<std::ptrdiff_t>(taken),
                  source.begin() + static_cast<std::ptrdiff_t>(taken + n));
    taken += n;
    if (!size_.has_value()) size_ = framed_size(bytes_, bytes_max_);
  }
  return taken;
}

}  // namespace coord::rpc

// Numbers and byte strings in records and table keys. Keys are big-endian, so that bytewise order
// is the order of the numbers; values are little-endian, as most machines have them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace coord::service {

namespace internal {
inline std::uint8_t swap_bytes(std::uint8_t n) {
  return n;
}
inline std::uint32_t swap_bytes(std::uint32_t n) {
  return __builtin_bswap32(n);
}
inline std::uint64_t swap_bytes(std::uint64_t n) {
  return __builtin_bswap64(n);
}

template <class T>
T to_order(T n, std::endian order) {
  return order == std::endian::native ? n : swap_bytes(n);
}
}  // namespace internal

// Appends to a string that is its caller's, so that one buffer serves many records.
template <std::endian order>
class BasicEncoder {
 public:
  explicit BasicEncoder(std::string& out) : out_(out) {}

  template <class T>
  requires std::is_unsigned_v<T> BasicEncoder& number(T n) {
    const T ordered = internal::to_order(n, order);
    out_.append(reinterpret_cast<const char*>(&ordered), sizeof(ordered));
    return *this;
  }
  BasicEncoder& u8(std::uint8_t n) { return number(n); }
  BasicEncoder& u32(std::uint32_t n) { return number(n); }
  BasicEncoder& u64(std::uint64_t n) { return number(n); }
  BasicEncoder& rest(std::string_view bytes) {
    out_.append(bytes);
    return *this;
  }
  BasicEncoder& bytes(std::string_view bytes) {
    u32(static_cast<std::uint32_t>(bytes.size()));
    return rest(bytes);
  }

 private:
  std::string& out_;
};

// Reads what an encoder wrote. A record that ends too early makes ok() false and everything after
// it zero or empty; nothing is ever read beyond the end.
template <std::endian order>
class BasicDecoder {
 public:
  explicit BasicDecoder(std::string_view in) : in_(in) {}

  bool ok() const { return ok_; }
  // Everything was read, and nothing is left.
  bool complete() const { return ok_ && in_.empty(); }

  template <class T>
  requires std::is_unsigned_v<T> T number() {
    const std::string_view raw = take(sizeof(T));
    if (!ok_) return 0;
    T ordered;
    std::memcpy(&ordered, raw.data(), sizeof(ordered));
    return internal::to_order(ordered, order);
  }
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::string_view bytes() { return take(u32()); }
  std::string_view rest() { return take(in_.size()); }

 private:
  std::string_view take(std::size_t size) {
    if (!ok_ || size > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const std::string_view taken = in_.substr(0, size);
    in_.remove_prefix(size);
    return taken;
  }

  std::string_view in_;
  bool ok_ = true;
};

using KeyEncoder = BasicEncoder<std::endian::big>;
using KeyDecoder = BasicDecoder<std::endian::big>;
using Encoder = BasicEncoder<std::endian::little>;
using Decoder = BasicDecoder<std::endian::little>;

}  // namespace coord::service

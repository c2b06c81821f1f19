// The one door to xxHash: checksums of records and the running digest of the state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace coord {

// XXH3, 64 bits. Stable across machines and versions: it is written to disk.
std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
inline std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0) {
  return hash64(std::as_bytes(std::span(bytes.data(), bytes.size())), seed);
}

// The same of bytes that come in pieces: hash64() of all of them, wherever they were cut.
class Hasher64 {
 public:
  Hasher64();
  ~Hasher64();
  Hasher64(const Hasher64&) = delete;
  Hasher64& operator=(const Hasher64&) = delete;

  void update(std::span<const std::byte> bytes);
  std::uint64_t value() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord

// The one door to xxHash: checksums of records and the running digest of the state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace coord {

// XXH3, 64 bits. Stable across machines and versions: it is written to disk.
std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0);
inline std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0) {
  return hash64(std::as_bytes(std::span(bytes.data(), bytes.size())), seed);
}

}  // namespace coord

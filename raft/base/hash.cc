#include "raft/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace coord {

std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct Hasher64::Impl {
  XXH3_state_t state;
};

Hasher64::Hasher64() : impl_(std::make_unique<Impl>()) {
  XXH3_64bits_reset(&impl_->state);
}
Hasher64::~Hasher64() = default;

void Hasher64::update(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&impl_->state, bytes.data(), bytes.size());
}

std::uint64_t Hasher64::value() const {
  return XXH3_64bits_digest(&impl_->state);
}

}  // namespace coord

// Numbers that nobody can foresee, from the system: seeds and names. The rest of the process draws
// from generators that are given a seed.
#pragma once

#include <cstdint>
#include <random>

namespace coord::service {

inline std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

// Not zero, and small enough for whatever somebody may keep it in.
template <class Id>
Id random_id() {
  std::uint64_t id = 0;
  while (id == 0) id = random_seed() >> 1;
  return Id(id);
}

}  // namespace coord::service

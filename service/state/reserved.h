// The keys that the state machine writes itself: who holds a lock, who leads. Users read and watch
// them like any other key, and cannot write them.
#pragma once

#include <string>
#include <string_view>

#include "service/state/results.h"
#include "service/state/state.h"

namespace coord::service {

inline constexpr std::string_view kReservedPrefix = "_coord/";

inline bool is_reserved(std::string_view key) {
  return key.starts_with(kReservedPrefix);
}

// All of the range's keys are reserved ones. (One that covers others too is not refused: what
// deletes it passes over the reserved ones.)
bool is_reserved(const KeyRange& range);

// Where the holders of a lock, or the published value of an election, are mirrored.
std::string mirror_key(const LockName& name);

}  // namespace coord::service

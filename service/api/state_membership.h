// TEMPORARY on this branch only: replaced when service/state knows who was removed.
#pragma once
#include "service/state/state.h"
namespace coord::service {
inline bool is_removed(const State&, MemberId) {
  return false;
}
}  // namespace coord::service

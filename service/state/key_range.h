// What can be asked of a KeyRange beyond whether it contains a key.
#pragma once

#include <string_view>

#include "raft/base/result.h"
#include "service/state/state.h"

namespace coord::service {

// kEmptyKey: a single key that is empty. kReversedRange: an end before its begin. (One that ends
// where it begins is fine, and holds nothing.)
Status validate(const KeyRange& range);

// No key from this one on is in the range. For keys that are not less than `range.begin`.
bool is_past(const KeyRange& range, std::string_view key);

}  // namespace coord::service

// The conditions of a transaction.
#pragma once

#include <cstdint>
#include <optional>

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "service/state/draft.h"
#include "service/state/results.h"

namespace coord::service {

// What a compare found.
struct Comparison {
  bool holds = false;
  std::optional<KeyRecord> met;  // the key's record, valid until the next change of the draft
  std::uint64_t met_count = 0;   // count compares only
};

// Errors: kEmptyKey, kReversedRange, kInvalidArgument (an operator that makes no sense with what is
// compared), kUnsupported. A key that does not exist has revisions, version and lease 0, and no
// value: comparing its value fails, except with notEqual.
Result<Comparison> evaluate(const Draft& draft, schema::Compare::Reader compare);

}  // namespace coord::service

// Small things as they come out of a command. What a newer version may have written and this one
// does not know gives kUnsupported, on every member of this version alike.
#pragma once

#include <string_view>

#include "raft/base/result.h"
#include "schema/coord.capnp.h"
#include "service/state/results.h"
#include "service/state/state.h"

namespace coord::service {

inline std::string_view to_view(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
inline std::string_view to_view(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

// As validate() of key_range.h has it, too.
Result<KeyRange> to_range(schema::KeyRange::Reader range);
// kEmptyKey.
Result<LockName> to_lock_name(schema::LockName::Reader name);
Result<LockMode> to_lock_mode(schema::LockAcquire::Mode mode);

Error unsupported(std::string_view what);

}  // namespace coord::service

// What crosses the wire, as the values that the service works with. Views point into the message.
#pragma once

#include <capnp/blob.h>

#include <string_view>

#include "raft/base/error.h"
#include "schema/coord.capnp.h"
#include "service/state/results.h"
#include "service/state/state.h"

namespace coord::service {

inline std::string_view view(capnp::Data::Reader bytes) {
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}
inline std::string_view view(capnp::Text::Reader text) {
  return {text.begin(), text.size()};
}

// Of ranges and names that passed the Door.
KeyRange decode(schema::KeyRange::Reader range);
LockName decode(schema::LockName::Reader lock);
MemberRecord decode(schema::MemberInfo::Reader member);

// A failure that another member answered with. A number that this version does not know becomes
// kInternal; the outcome is kept.
Error decode(schema::Failure::Reader failure);

}  // namespace coord::service

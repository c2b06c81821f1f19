// The service's values, as they go over the wire: straight into the message that is being built.
#pragma once

#include <string_view>
#include <vector>

#include "raft/base/error.h"
#include "raft/core/types.h"
#include "schema/coord.capnp.h"
#include "service/state/results.h"
#include "service/state/state.h"

namespace coord::service {

inline capnp::Data::Reader to_data(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// Text has to end in a zero, which a std::string has and a view need not have.
inline capnp::Text::Reader to_text(const std::string& string) {
  return {string.c_str(), string.size()};
}

void encode(const Error& error, schema::Failure::Builder out);
void encode(const KeyValue& record, schema::KeyValue::Builder out);
void encode(const RangeResult& range, schema::RangeResult::Builder out);
void encode(const WriteResult& result, schema::WriteResult::Builder out);
void encode(const LockStanding& standing, schema::LockAcquireResult::Builder out);
void encode(const LockName& name, schema::LockName::Builder out);
void encode(const MemberRecord& member, schema::MemberInfo::Builder out);
void encode(const LeaseRecord& lease, milliseconds remaining, schema::LeaseInfo::Builder out);
// Takes what is told of a holder's lease from the state.
void encode(const LockRecord& lock, const State& state, schema::LockInfo::Builder out);

}  // namespace coord::service

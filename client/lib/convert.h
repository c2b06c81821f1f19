// Between the library's values and their shape on the wire. What a server sends is taken as it
// comes: what is absent is empty, and what makes no sense is an Error or a Cap'n Proto exception,
// which the caller of the RPC takes for a lost connection.
#pragma once

#include <string>
#include <string_view>

#include "coord/operations.h"
#include "schema/coord.capnp.h"

namespace coord::internal {

inline capnp::Data::Reader to_data(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
inline std::string to_string(capnp::Data::Reader data) {
  return {reinterpret_cast<const char*>(data.begin()), data.size()};
}
inline std::string to_string(capnp::Text::Reader text) {
  return {text.cStr(), text.size()};
}
inline capnp::Text::Reader to_text(const std::string& text) {
  return {text.c_str(), text.size()};
}

Error to_error(schema::Failure::Reader failure);
KeyValue to_key_value(schema::KeyValue::Reader record);
ResponseHeader to_header(schema::Header::Reader header);
LockInfo to_lock_info(schema::LockInfo::Reader info);
LeaseInfo to_lease_info(schema::LeaseInfo::Reader info);
MemberInfo to_member_info(schema::MemberInfo::Reader info);
MemberStatus to_member_status(schema::MemberStatus::Reader status);
Consistency to_consistency(schema::Consistency::Reader consistency);

void encode(schema::KeyRange::Builder target, const KeyRange& range);
void encode(schema::LockName::Builder target, const LockName& name);
void encode(schema::Consistency::Builder target, const Consistency& consistency);

}  // namespace coord::internal

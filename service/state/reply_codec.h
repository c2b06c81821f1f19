// Results of writes as bytes: what a session's record in kSessions holds.
//
//   version u8, floor u64, replies u32 times (sequence u64, result)
//   a result is   revision u64, kind u8, then by kind (see reply_codec.cc, which lists the kinds
//                 once for both directions); an optional has a u8 before it, a list a u32
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "service/state/encoding.h"
#include "service/state/results.h"

namespace coord::service {

void encode_result(const WriteResult& result, std::string& out);  // appends
[[nodiscard]] bool decode_result(Decoder& in, WriteResult& result);

// About what a result takes: what it holds of keys, values and messages, and a constant for each of
// its parts. The same on every member, because it bounds what a session may have outstanding.
std::size_t weight(const WriteResult& result);

}  // namespace coord::service

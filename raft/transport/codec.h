// Messages between members, to and from the wire (schema/peer.capnp). Decoding is the door: what
// comes out of it has a sound shape, so that no byte of a peer can trip a CHECK of the core.
// Whether its claims are true is the core's to judge. Pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "raft/base/limits.h"
#include "raft/base/result.h"
#include "raft/core/message.h"
#include "schema/peer.capnp.h"

namespace coord::raft {

// Terms, indexes and rounds at or above this are refused: arithmetic on those below cannot wrap.
inline constexpr std::uint64_t kNumberEnd = UINT64_MAX - (std::uint64_t{1} << 32);

// What the message takes on the wire, up to a few words: enough to size its builder and to keep to
// bounds.
std::size_t encoded_bytes(const Message& message);
void encode(const Message& message, schema::Message::Builder builder);
void encode(std::span<const Message> messages, capnp::List<schema::Message>::Builder builder);

// kInvalidArgument says what is wrong with it. The payloads of an append are slices of one block,
// each beginning at a multiple of 8 bytes. Reading a malformed pointer throws, as everywhere in
// Cap'n Proto.
Result<Message> decode(schema::Message::Reader reader,
                       std::size_t entry_bytes_max = limits::kEntryBytesMax);

}  // namespace coord::raft

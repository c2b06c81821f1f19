// Commands as they go into the log (schema/log.capnp): flat and aligned, so that the state machine
// reads them in place.
#pragma once

#include <capnp/message.h>

#include <cstdint>
#include <functional>
#include <span>

#include "raft/base/bytes.h"
#include "raft/base/types.h"
#include "schema/log.capnp.h"

namespace coord::service {

// Of what this version of the service proposes.
inline constexpr std::uint16_t kCommandVersion = 1;

// The message framed as capnp::FlatArrayMessageReader wants it.
Bytes to_flat_bytes(capnp::MessageBuilder& message);

// One entry for the writes of a call. `leases` gives an id to every grant that leaves the choice to
// the server: the state machine has no randomness of its own. `bytes_hint` is about how large the
// result will be.
Bytes encode_writes(std::span<const schema::Write::Reader> writes, std::uint64_t stamp_ms,
                    std::size_t bytes_hint, const std::function<std::uint64_t()>& lease_id);

Bytes encode_compact(Revision line, std::uint64_t stamp_ms);
Bytes encode_member(schema::MemberInfo::Reader member, std::uint64_t stamp_ms);

}  // namespace coord::service

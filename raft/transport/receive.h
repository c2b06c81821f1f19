// What came from a member that has greeted, whether in its calls or in its answers to ours: decoded,
// validated, and handed over one by one.
#pragma once

#include "raft/base/result.h"
#include "raft/transport/transport.h"
#include "schema/peer.capnp.h"

namespace coord::raft {

// Those before a message that is refused have been handed over.
Status receive_all(capnp::List<schema::Message>::Reader messages, MemberId from,
                   const TransportOptions& options, const Transport::Handlers& handlers);

}  // namespace coord::raft

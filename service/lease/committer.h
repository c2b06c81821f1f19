// How a part of the service gets a command into the log and learns what came of it.
#pragma once

#include <kj/async.h>

#include "raft/base/bytes.h"
#include "raft/base/result.h"
#include "service/state/state.h"

namespace coord::service {

class Committer {
 public:
  virtual ~Committer() = default;
  // Proposes the command (schema/log.capnp, flat) on this member. Resolves once it has been applied
  // here, with its results; or with an Error whose outcome is exact: kNotApplied if it was never
  // appended or another entry took its place, kUnknown if the deadline passed or this member is
  // closing while its fate is open. Never rejects. Loop thread.
  virtual kj::Promise<Result<CommandResults>> commit(Bytes command, Instant deadline) = 0;
};

}  // namespace coord::service

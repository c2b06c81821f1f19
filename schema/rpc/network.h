// kj::Network, its addresses and receivers, and kj::AsyncIoStream on Asio sockets (see loop.h).
//
// A stream gathers everything that is written to it during one turn of the loop and hands it to the
// kernel in one writev; a write's promise is fulfilled as soon as the bytes are taken over, unless
// more than limits::kStreamWriteBufferMax are waiting: then it is fulfilled when the peer has read
// enough. Reads fill a buffer of limits::kStreamReadBuffer ahead. Dropping a promise in the middle
// of a read loses no bytes; in the middle of a write the bytes already taken over are still sent.
// TCP_NODELAY is set. Destroying a stream sends what was taken over, as far as the kernel takes it
// at once, and closes.
#pragma once

#include <kj/async-io.h>

#include <string>

#include "raft/base/result.h"
#include "schema/rpc/loop.h"

namespace coord::rpc {

// Two connected streams on this loop, each the other's peer (a socket pair), for tests and for
// joining parts of one process.
kj::TwoWayPipe make_pipe(Loop& loop);

// Binds and listens on "HOST:PORT" at once, so that the caller can say what is wrong before it
// starts anything (kInUse, kInvalidArgument, kIo). Port 0 takes a free one; see `port` of the
// result.
struct Listener {
  kj::Own<kj::ConnectionReceiver> receiver;
  std::uint16_t port = 0;
};
Result<Listener> listen(Loop& loop, const std::string& address);

}  // namespace coord::rpc

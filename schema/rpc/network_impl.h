// How this folder makes its sockets. Loop thread only.
#pragma once

#include <kj/async-io.h>

#include "schema/rpc/loop_impl.h"

namespace coord::rpc {

kj::Own<kj::Network> make_network(Loop::Impl& loop);

// A connected, non-blocking socket becomes a stream, which owns it from here on. TCP sockets send
// at once and notice a vanished peer by themselves.
kj::Own<kj::AsyncIoStream> adopt_socket(Loop::Impl& loop, int fd, int family);

}  // namespace coord::rpc

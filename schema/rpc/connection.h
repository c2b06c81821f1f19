// One Cap'n Proto RPC connection: the stream, the protocol on it, and a way to know that it ended.
// Both sides use it; Server (server.h) makes the accepting ones. Destroying it breaks everything
// that is outstanding on it and closes the stream. Loop thread only; must not be destroyed from
// within a call that it is serving (let go of it in a task of its own).
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/timer.h>

#include "schema/rpc/message_stream.h"
#include "schema/rpc/vat_network.h"

namespace coord::rpc {

struct ConnectionOptions {
  MessageStreamOptions messages;
  // Calls received and not yet answered: beyond this many bytes of parameters nothing more is read.
  std::size_t calls_bytes_max = 64 * limits::kMiB;
};

class Connection {
 public:
  // Calls over `stream`.
  static kj::Own<Connection> client(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
                                    ConnectionOptions options = {});
  // Serves `bootstrap` over `stream`.
  static kj::Own<Connection> server(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
                                    capnp::Capability::Client bootstrap,
                                    ConnectionOptions options = {});

  Connection(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer, capnp::rpc::twoparty::Side side,
             kj::Maybe<capnp::Capability::Client> bootstrap, ConnectionOptions options);
  ~Connection() noexcept;
  Connection(const Connection&) = delete;

  // The other side's bootstrap capability. Calls may be made on it at once; they fail as
  // DISCONNECTED when the connection does.
  capnp::Capability::Client bootstrap();

  // Fulfilled when the connection has ended, for whatever reason: closed or reset by the other
  // side, or broken by what it sent. May be asked for more than once.
  kj::Promise<void> on_disconnect() { return network_.on_disconnect(); }

  // Sends at once what was called so far, instead of at the end of this turn.
  void flush() { messages_.flush(); }

  // See MessageStreamOptions::unadmitted_bytes_max.
  void admit() { messages_.admit(); }

  // See MessageStream::heard().
  kj::TimePoint heard() const { return messages_.heard(); }

  kj::AsyncIoStream& stream() { return *stream_; }

 private:
  kj::Own<kj::AsyncIoStream> stream_;
  capnp::rpc::twoparty::Side side_;
  MessageStream messages_;
  VatNetwork network_;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc_;
};

}  // namespace coord::rpc

// The network of two that Cap'n Proto's RPC runs on: us, and whoever is at the other end of a
// MessageStream. It stands in for the library's own (TwoPartyVatNetwork), which waits for the event
// loop before it writes or reads a message, several times for each; here a message goes straight
// into the stream's queue and comes straight out of its buffer.
//
// Owned by a Connection. Loop thread only.
#pragma once

#include <capnp/message.h>
#include <capnp/rpc-twoparty.h>
#include <kj/async.h>

#include "schema/rpc/message_stream.h"

namespace coord::rpc {

class VatNetwork final : public capnp::TwoPartyVatNetworkBase {
 public:
  using Side = capnp::rpc::twoparty::Side;

  // `messages` outlives it.
  VatNetwork(MessageStream& messages, Side side, capnp::ReaderOptions reader_options);
  ~VatNetwork() noexcept;
  VatNetwork(const VatNetwork&) = delete;

  // Fulfilled when the RPC system has let go of the connection, for whatever reason.
  kj::Promise<void> on_disconnect() { return disconnected_.addBranch(); }

  kj::Maybe<kj::Own<Connection>> connect(capnp::rpc::twoparty::VatId::Reader other) override;
  kj::Promise<kj::Own<Connection>> accept() override;

 private:
  class Link;
  class Outgoing;

  kj::Own<Connection> link();

  MessageStream& messages_;
  const Side side_;
  const capnp::ReaderOptions reader_options_;
  capnp::MallocMessageBuilder other_side_;
  bool accepted_ = false;
  Link* link_ = nullptr;  // the RPC system's; null when it has none
  kj::Own<kj::PromiseFulfiller<void>> disconnect_;
  kj::ForkedPromise<void> disconnected_;
};

}  // namespace coord::rpc

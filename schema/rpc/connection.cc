#include "schema/rpc/connection.h"

#include <utility>

namespace coord::rpc {

namespace {

using capnp::rpc::twoparty::Side;
using capnp::rpc::twoparty::VatId;

// A field may be read more than once by the code that serves it; what a message itself may take is
// bounded by its size.
capnp::ReaderOptions reader_options(const ConnectionOptions& options) {
  capnp::ReaderOptions reader;
  reader.traversalLimitInWords = 8 * options.messages.message_bytes_max / sizeof(capnp::word);
  return reader;
}

capnp::RpcSystem<VatId> make_rpc(VatNetwork& network,
                                 kj::Maybe<capnp::Capability::Client> bootstrap) {
  KJ_IF_MAYBE (capability, bootstrap) return capnp::makeRpcServer(network, kj::mv(*capability));
  return capnp::makeRpcClient(network);
}

}  // namespace

kj::Own<Connection> Connection::client(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
                                       ConnectionOptions options) {
  return kj::heap<Connection>(kj::mv(stream), timer, Side::CLIENT, nullptr, options);
}

kj::Own<Connection> Connection::server(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer,
                                       capnp::Capability::Client bootstrap,
                                       ConnectionOptions options) {
  return kj::heap<Connection>(kj::mv(stream), timer, Side::SERVER, kj::mv(bootstrap), options);
}

Connection::Connection(kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer, Side side,
                       kj::Maybe<capnp::Capability::Client> bootstrap, ConnectionOptions options)
    : stream_(kj::mv(stream)),
      side_(side),
      messages_(*stream_, timer, options.messages),
      network_(messages_, side, reader_options(options)),
      rpc_(make_rpc(network_, kj::mv(bootstrap))) {
  rpc_.setFlowLimit(options.calls_bytes_max / sizeof(capnp::word));
}

Connection::~Connection() noexcept {}

capnp::Capability::Client Connection::bootstrap() {
  capnp::MallocMessageBuilder message(8);
  auto other = message.initRoot<VatId>();
  other.setSide(side_ == Side::CLIENT ? Side::SERVER : Side::CLIENT);
  return rpc_.bootstrap(other);
}

}  // namespace coord::rpc

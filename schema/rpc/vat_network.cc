#include "schema/rpc/vat_network.h"

#include <kj/debug.h>
#include <kj/refcount.h>

#include <utility>

namespace coord::rpc {

namespace {

using capnp::rpc::twoparty::VatId;

// What may be under way in one streaming call before its sender waits.
constexpr std::size_t kStreamingWindowBytes = 256 * limits::kKiB;
constexpr unsigned kFirstSegmentWords = 128;  // of a message whose size nobody knows

class Incoming final : public capnp::IncomingRpcMessage {
 public:
  explicit Incoming(kj::Own<capnp::MessageReader> message) : message_(kj::mv(message)) {}

  capnp::AnyPointer::Reader getBody() override { return message_->getRoot<capnp::AnyPointer>(); }
  std::size_t sizeInWords() override { return message_->sizeInWords(); }

 private:
  kj::Own<capnp::MessageReader> message_;
};

}  // namespace

// The RPC system may keep a message for longer than the connection; it is not sent any more then.
class VatNetwork::Outgoing final : public capnp::OutgoingRpcMessage {
 public:
  Outgoing(VatNetwork& network, unsigned first_segment_words)
      : network_(network),
        message_(first_segment_words == 0 ? kFirstSegmentWords : first_segment_words) {}

  capnp::AnyPointer::Builder getBody() override { return message_.getRoot<capnp::AnyPointer>(); }
  std::size_t sizeInWords() override { return message_.sizeInWords(); }

  void send() override {
    KJ_REQUIRE(sizeInWords() < network_.reader_options_.traversalLimitInWords,
               "a message is larger than any that the other side would take", sizeInWords());
    network_.messages_.write(message_.getSegmentsForOutput());
  }

 private:
  VatNetwork& network_;
  capnp::MallocMessageBuilder message_;
};

class VatNetwork::Link final : public VatNetwork::Connection, public kj::Refcounted {
 public:
  explicit Link(VatNetwork& network) : network_(network) {}
  ~Link() noexcept {
    network_.link_ = nullptr;
    network_.disconnect_->fulfill();
  }

  VatId::Reader getPeerVatId() override { return network_.other_side_.getRoot<VatId>().asReader(); }

  kj::Own<capnp::RpcFlowController> newStream() override {
    return capnp::RpcFlowController::newFixedWindowController(kStreamingWindowBytes);
  }

  kj::Own<capnp::OutgoingRpcMessage> newOutgoingMessage(unsigned first_segment_words) override {
    return kj::heap<Outgoing>(network_, first_segment_words);
  }

  kj::Promise<kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>> receiveIncomingMessage() override {
    return network_.messages_.receive(network_.reader_options_)
        .then([](MessageStream::Received&& received)
                  -> kj::Maybe<kj::Own<capnp::IncomingRpcMessage>> {
          KJ_IF_MAYBE (message, received) {
            return kj::Own<capnp::IncomingRpcMessage>(kj::heap<Incoming>(kj::mv(*message)));
          }
          return nullptr;
        });
  }

  kj::Promise<void> shutdown() override { return network_.messages_.end(); }

 private:
  VatNetwork& network_;
};

VatNetwork::VatNetwork(MessageStream& messages, Side side, capnp::ReaderOptions reader_options)
    : messages_(messages),
      side_(side),
      reader_options_(reader_options),
      other_side_(4),
      disconnected_(nullptr) {
  other_side_.initRoot<VatId>().setSide(side == Side::CLIENT ? Side::SERVER : Side::CLIENT);
  auto paf = kj::newPromiseAndFulfiller<void>();
  disconnect_ = kj::mv(paf.fulfiller);
  disconnected_ = paf.promise.fork();
}

VatNetwork::~VatNetwork() noexcept {}

kj::Own<VatNetwork::Connection> VatNetwork::link() {
  if (link_ != nullptr) return kj::addRef(*link_);
  auto made = kj::refcounted<Link>(*this);
  link_ = made.get();
  return made;
}

kj::Maybe<kj::Own<VatNetwork::Connection>> VatNetwork::connect(VatId::Reader other) {
  if (other.getSide() == side_) return nullptr;  // ourselves
  return link();
}

kj::Promise<kj::Own<VatNetwork::Connection>> VatNetwork::accept() {
  if (side_ == Side::CLIENT || std::exchange(accepted_, true)) return kj::NEVER_DONE;
  return link();
}

}  // namespace coord::rpc

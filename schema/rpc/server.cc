#include "schema/rpc/server.h"

#include <kj/debug.h>

#include <utility>

#include "schema/rpc/socket_address.h"

namespace coord::rpc {

struct Server::Peer::State {
  // All null once the connection is over.
  Connection* connection = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> greeted;
  kj::Own<kj::PromiseFulfiller<void>> drop;
};

void Server::Peer::greeted() const {
  if (state_->connection != nullptr) state_->connection->admit();
  if (state_->greeted.get() != nullptr) state_->greeted->fulfill();
}

void Server::Peer::drop() const {
  if (state_->drop.get() != nullptr) state_->drop->fulfill();
}

Server::Server(kj::Timer& timer, Bootstrap bootstrap, ServerOptions options)
    : timer_(timer), bootstrap_(std::move(bootstrap)), options_(options), tasks_(*this) {}

Server::~Server() noexcept {}

kj::Promise<void> Server::listen(kj::Own<kj::ConnectionReceiver> receiver) {
  return accept_from(kj::mv(receiver));
}

Task<void> Server::accept_from(kj::Own<kj::ConnectionReceiver> receiver) {
  while (true) serve(co_await receiver->accept());
}

void Server::serve(kj::Own<kj::AsyncIoStream> stream) {
  if (connections_ >= options_.connections_max) {
    ++stats_.refused;
    return;
  }
  ++stats_.accepted;
  tasks_.add(run(kj::mv(stream)));
}

namespace {

std::string address_of(kj::AsyncIoStream& stream) {
  SocketAddress address;
  kj::uint length = sizeof(address.storage);
  // Not every stream has one.
  kj::runCatchingExceptions(
      [&] { stream.getpeername(reinterpret_cast<sockaddr*>(&address.storage), &length); });
  return address.to_string();
}

}  // namespace

Task<void> Server::run(kj::Own<kj::AsyncIoStream> stream) {
  ++connections_;
  KJ_DEFER(--connections_);
  Peer peer;
  peer.state_ = std::make_shared<Peer::State>();
  peer.address_ = address_of(*stream);
  auto greeted = kj::newPromiseAndFulfiller<void>();
  auto drop = kj::newPromiseAndFulfiller<void>();
  peer.state_->greeted = kj::mv(greeted.fulfiller);
  peer.state_->drop = kj::mv(drop.fulfiller);
  auto connection =
      Connection::server(kj::mv(stream), timer_, bootstrap_(peer), options_.connection);
  peer.state_->connection = connection.get();
  KJ_DEFER({
    peer.state_->connection = nullptr;
    peer.state_->greeted = nullptr;
    peer.state_->drop = nullptr;
  });
  auto over = connection->on_disconnect().exclusiveJoin(kj::mv(drop.promise)).fork();
  if (options_.greeting_timeout > Duration::zero()) {
    bool in_time = true;
    const auto timeout = options_.greeting_timeout.count() * kj::NANOSECONDS;
    co_await greeted.promise.exclusiveJoin(over.addBranch())
        .exclusiveJoin(timer_.afterDelay(timeout).then([&in_time] { in_time = false; }));
    if (!in_time) {
      ++stats_.ungreeted;
      co_return;
    }
  }
  co_await over.addBranch();
}

// What breaks a connection is its peer's affair, and was reported to those who had calls on it.
void Server::taskFailed(kj::Exception&&) {}

}  // namespace coord::rpc

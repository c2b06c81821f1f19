// What other members find when they dial this one: the greeting, and the sessions it leads to. The
// objects belong to the RPC system of their connection and may outlive the Transport by a little;
// DoorState is what they share with it. Loop thread only.
#pragma once

#include <kj/async.h>

#include <memory>

#include "raft/transport/transport.h"
#include "schema/peer.capnp.h"
#include "schema/rpc/server.h"

namespace coord::raft {

class DoorState final : private kj::TaskSet::ErrorHandler {
 public:
  DoorState(const TransportOptions& options, const Transport::Handlers& handlers)
      : options(options),
        handlers(handlers),
        reports_(kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this))) {}

  // The transport is going: nothing is passed on any more, and what `options` and `handlers` refer
  // to may be gone.
  void close() {
    open_ = false;
    reports_ = nullptr;
  }
  bool open() const { return open_; }

  // In a turn of its own, because a session notices it while the RPC system takes it apart.
  void report_closed(MemberId member);

  const TransportOptions& options;
  const Transport::Handlers& handlers;

 private:
  void taskFailed(kj::Exception&&) override {}

  bool open_ = true;
  kj::Own<kj::TaskSet> reports_;
};

// The bootstrap capability of one connection.
class Door final : public schema::Peer::Server {
 public:
  Door(std::shared_ptr<DoorState> state, rpc::Server::Peer connection)
      : state_(std::move(state)), connection_(std::move(connection)) {}

 protected:
  kj::Promise<void> greet(GreetContext context) override;

 private:
  Status check(schema::Greeting::Reader greeting) const;

  std::shared_ptr<DoorState> state_;
  rpc::Server::Peer connection_;
};

// A member that has greeted. Destroyed when its connection is: that is how its end is noticed.
class Session final : public schema::PeerSession::Server {
 public:
  Session(std::shared_ptr<DoorState> state, MemberId member)
      : state_(std::move(state)), member_(member) {}
  ~Session() noexcept;

 protected:
  kj::Promise<void> deliver(DeliverContext context) override;
  kj::Promise<void> service(ServiceContext context) override;

 private:
  Status receive(capnp::List<schema::Message>::Reader messages);

  std::shared_ptr<DoorState> state_;
  const MemberId member_;
};

}  // namespace coord::raft

// What other members find when they dial this one: the greeting, and the sessions it leads to. The
// objects belong to the RPC system of their connection and may outlive the Transport by a little;
// DoorState is what they share with it. Loop thread only.
#pragma once

#include <kj/async.h>
#include <kj/timer.h>

#include <map>
#include <memory>
#include <span>

#include "raft/transport/transport.h"
#include "schema/peer.capnp.h"
#include "schema/rpc/server.h"
#include "schema/rpc/task.h"

namespace coord::raft {

class Session;

// Decides about those who greet: whether there is a link to answer them by.
class Admission {
 public:
  virtual ~Admission() = default;
  virtual Status admit(MemberId member, const std::string& address) = 0;
  // There is, and a connection too.
  virtual bool reaches(MemberId member) const = 0;
};

class DoorState final : private kj::TaskSet::ErrorHandler {
 public:
  DoorState(kj::Timer& timer, const TransportOptions& options, const Transport::Handlers& handlers,
            Admission& admission)
      : timer(timer),
        options(options),
        handlers(handlers),
        admission(admission),
        reports_(kj::heap<kj::TaskSet>(static_cast<kj::TaskSet::ErrorHandler&>(*this))) {}

  // The transport is going: nothing is passed on any more, and what `options`, `handlers` and
  // `admission` refer to may be gone.
  void close();
  bool open() const { return open_; }

  // In a turn of its own, because a session notices it while the RPC system takes it apart.
  void report_closed(MemberId member);

  // Sessions come and go; a member that dials again may have two for a while. The newest replies.
  void entered(Session& session);
  void left(Session& session);
  // Sends `replies` as the answer to a call of that member's. False: no call of its is open.
  bool reply(MemberId member, std::span<const Message> replies);
  // Closes its connections, from a later turn on.
  void drop(MemberId member);

  kj::Timer& timer;
  const TransportOptions& options;
  const Transport::Handlers& handlers;
  Admission& admission;

 private:
  void taskFailed(kj::Exception&&) override {}

  bool open_ = true;
  std::vector<Session*> sessions_;  // the newest last
  kj::Own<kj::TaskSet> reports_;
};

// The bootstrap capability of one connection.
class Door final : public schema::Peer::Server {
 public:
  Door(std::shared_ptr<DoorState> state, rpc::Server::Peer connection)
      : state_(std::move(state)), connection_(std::move(connection)) {}

 protected:
  kj::Promise<void> greet(GreetContext context) override;
  kj::Promise<void> identify(IdentifyContext context) override;

 private:
  rpc::Task<void> answer(GreetContext context);
  rpc::Task<Status> admit(schema::Greeting::Reader greeting);
  Status check(schema::Greeting::Reader greeting) const;

  std::shared_ptr<DoorState> state_;
  rpc::Server::Peer connection_;
};

// A member that has greeted. Destroyed when its connection is: that is how its end is noticed.
//
// A call stays open for a short while (one to two times call_open_max()), so that what this member
// has to reply leaves as its answer: half the traffic of replies that are calls. Where the caller
// cannot be dialled it stays open for longer: there is no other way for a vote that waits for the
// disk. Replies need no order, and the caller may have many calls under way.
class Session final : public schema::PeerSession::Server {
 public:
  Session(std::shared_ptr<DoorState> state, rpc::Server::Peer connection, MemberId member)
      : state_(std::move(state)), connection_(std::move(connection)), member_(member) {
    state_->entered(*this);
  }
  ~Session() noexcept;

  MemberId member() const { return member_; }
  const rpc::Server::Peer& connection() const { return connection_; }
  // With the oldest open call. False: there is none.
  bool reply(std::span<const Message> replies);
  // The timer may be gone from now on.
  void stop() { closer_ = nullptr; }

 protected:
  kj::Promise<void> deliver(DeliverContext context) override;
  kj::Promise<void> service(ServiceContext context) override;

 private:
  struct OpenCall {
    DeliverContext context;
    kj::TimePoint since;
    kj::Own<kj::PromiseFulfiller<void>> done;
  };

  rpc::Task<void> close_overdue();
  kj::Duration call_open_max() const;

  std::shared_ptr<DoorState> state_;
  rpc::Server::Peer connection_;
  const MemberId member_;
  // By number, that is by age.
  std::map<std::uint64_t, OpenCall> calls_;
  std::uint64_t calls_begun_ = 0;
  bool closing_overdue_ = false;
  kj::Promise<void> closer_ = nullptr;
};

}  // namespace coord::raft

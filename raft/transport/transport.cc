#include "raft/transport/transport.h"

#include <utility>

#include "raft/base/prng.h"
#include "raft/transport/bounds.h"
#include "raft/transport/door.h"
#include "raft/transport/link.h"
#include "schema/rpc/server.h"

namespace coord::raft {

namespace {

// Far more than members, so that strangers who connect and say nothing do not keep members out for
// the time that they are given.
constexpr std::size_t kConnectionsMax = 1024;
constexpr Duration kGreetingTimeout = seconds(2);

rpc::ServerOptions server_options(const TransportOptions& options) {
  rpc::ServerOptions server;
  server.connections_max = kConnectionsMax;
  server.greeting_timeout = kGreetingTimeout;
  server.connection = connection_options(options);
  server.connection.messages.hold_reads = true;
  server.connection.messages.unadmitted_bytes_max = 64 * limits::kKiB;
  return server;
}

bool is_reply(const Message& message) {
  return std::holds_alternative<AppendReply>(message.body) ||
         std::holds_alternative<HeartbeatReply>(message.body) ||
         std::holds_alternative<VoteReply>(message.body) ||
         std::holds_alternative<ReadIndexReply>(message.body) ||
         std::holds_alternative<SnapshotReply>(message.body);
}

}  // namespace

class Transport::Impl {
 public:
  Impl(kj::Network& network, kj::Timer& timer, TransportOptions options, Handlers handlers)
      : options_(std::move(options)),
        handlers_(std::move(handlers)),
        door_(std::make_shared<DoorState>(timer, options_, handlers_)),
        server_(
            timer,
            [door = door_](rpc::Server::Peer connection) -> capnp::Capability::Client {
              return schema::Peer::Client(kj::heap<Door>(door, std::move(connection)));
            },
            server_options(options_)) {
    Prng random(options_.seed ^ options_.self.value());
    for (const auto& [member, address] : options_.peers) {
      CHECK_NE(member, options_.self);
      links_.emplace(member, std::make_unique<Link>(network, timer, options_, handlers_, member,
                                                    address, random.split()));
    }
  }
  ~Impl() { door_->close(); }
  Impl(const Impl&) = delete;

  kj::Promise<void> listen(kj::Own<kj::ConnectionReceiver> receiver) {
    return server_.listen(kj::mv(receiver));
  }

  void send(std::vector<Message> messages) {
    for (Message& message : messages) {
      Link* link = find(message.to);
      if (link == nullptr) continue;
      if (is_reply(message)) {
        link->replies().push_back(std::move(message));
      } else {
        link->gather(std::move(message));
      }
    }
    for (auto& [member, link] : links_) {
      std::vector<Message> replies = std::exchange(link->replies(), {});
      if (!replies.empty() && !door_->reply(member, replies)) {
        for (Message& reply : replies) link->gather(std::move(reply));
      }
      link->send_gathered();
    }
  }

  Link* find(MemberId member) const {
    const auto found = links_.find(member);
    return found == links_.end() ? nullptr : found->second.get();
  }

 private:
  const TransportOptions options_;
  const Handlers handlers_;
  std::shared_ptr<DoorState> door_;
  rpc::Server server_;
  std::map<MemberId, std::unique_ptr<Link>> links_;
};

Transport::Transport(rpc::Loop&, kj::Network& network, kj::Timer& timer, TransportOptions options,
                     Handlers handlers)
    : impl_(kj::heap<Impl>(network, timer, std::move(options), std::move(handlers))) {}
Transport::~Transport() noexcept {}

kj::Promise<void> Transport::listen(kj::Own<kj::ConnectionReceiver> receiver) {
  return impl_->listen(kj::mv(receiver));
}

void Transport::send(std::vector<Message> messages) {
  impl_->send(std::move(messages));
}

kj::Maybe<capnp::Capability::Client> Transport::service_of(MemberId member) {
  if (Link* link = impl_->find(member)) return link->service();
  return nullptr;
}

bool Transport::connected(MemberId member) const {
  const Link* link = impl_->find(member);
  return link != nullptr && link->connected();
}

}  // namespace coord::raft

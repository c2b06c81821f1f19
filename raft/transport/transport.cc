#include "raft/transport/transport.h"

#include <algorithm>
#include <utility>

#include "raft/base/prng.h"
#include "raft/transport/bounds.h"
#include "raft/transport/door.h"
#include "raft/transport/link.h"
#include "schema/rpc/server.h"

namespace coord::raft {

namespace {

constexpr Duration kGreetingTimeout = seconds(2);

rpc::ServerOptions server_options(const TransportOptions& options) {
  rpc::ServerOptions server;
  server.connections_max = options.connections_max;
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

// Why there is a link.
enum class Standing {
  kMember,   // it is in the configuration
  kLeaving,  // it was, a moment ago
  kGuest,    // it came by itself
};

struct Peer {
  std::string address;
  std::unique_ptr<Link> link;
  Standing standing = Standing::kMember;
  kj::TimePoint since =
      kj::origin<kj::TimePoint>();  // kLeaving: of the leaving; kGuest: when it was last seen here
};

}  // namespace

class Transport::Impl final : public Admission {
 public:
  Impl(kj::Network& network, kj::Timer& timer, TransportOptions options, Handlers handlers)
      : network_(network),
        timer_(timer),
        options_(std::move(options)),
        handlers_(std::move(handlers)),
        link_handlers_(handlers_of_links()),
        random_(options_.seed ^ options_.self.value()),
        door_(std::make_shared<DoorState>(timer, options_, handlers_, *this)),
        server_(
            timer,
            [door = door_](rpc::Server::Peer connection) -> capnp::Capability::Client {
              return schema::Peer::Client(kj::heap<Door>(door, std::move(connection)));
            },
            server_options(options_)),
        sweeping_(sweep_again_and_again()) {}
  ~Impl() noexcept override { door_->close(); }
  Impl(const Impl&) = delete;

  kj::Promise<void> listen(kj::Own<kj::ConnectionReceiver> receiver) {
    return server_.listen(kj::mv(receiver));
  }

  void set_peers(const std::map<MemberId, std::string>& peers) {
    for (const auto& [member, address] : peers) {
      if (member != options_.self) dial(member, address, Standing::kMember);
    }
    for (auto& [member, peer] : peers_) {
      if (peer.standing != Standing::kMember || peers.contains(member)) continue;
      peer.standing = Standing::kLeaving;
      peer.since = timer_.now();
    }
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
    for (auto& [member, peer] : peers_) {
      std::vector<Message> replies = std::exchange(peer.link->replies(), {});
      if (!replies.empty() && !door_->reply(member, replies)) {
        for (Message& reply : replies) peer.link->gather(std::move(reply));
      }
      peer.link->send_gathered();
    }
  }

  bool reaches(MemberId member) const override {
    const Link* link = find(member);
    return link != nullptr && link->connected();
  }

  Link* find(MemberId member) const {
    const auto found = peers_.find(member);
    return found == peers_.end() ? nullptr : found->second.link.get();
  }

 private:
  void dial(MemberId member, const std::string& address, Standing standing) {
    Peer& peer = peers_[member];
    peer.standing = standing;
    peer.since = timer_.now();
    if (peer.link != nullptr && peer.address == address) return;
    peer.address = address;
    peer.link = std::make_unique<Link>(network_, timer_, options_, link_handlers_, member, address,
                                       random_.split());
  }

  Handlers handlers_of_links() {
    Handlers handlers = handlers_;
    handlers.refused = [this](MemberId member, const Error& error) { refused(member, error); };
    return handlers;
  }

  // Anybody can become a guest, and have this member ask at an address of his choice.
  void refused(MemberId member, const Error& error) {
    const bool by_a_member = peers_.at(member).standing == Standing::kMember;
    const auto& told = by_a_member ? handlers_.refused : handlers_.trouble;
    if (told) told(member, error);
  }

  Status admit(MemberId member, const std::string& address) override {
    const auto known = peers_.find(member);
    // Where a member is to be dialled is the configuration's to say.
    if (known != peers_.end() && known->second.standing != Standing::kGuest) {
      known->second.link->hurry();
      return {};
    }
    if (address.empty() || address.size() > limits::kAddressBytesMax) {
      return make_error(ErrorCode::kInvalidArgument,
                        "member {} is not known here and does not say where to reach it", member);
    }
    if (known == peers_.end() && guests() >= options_.guests_max && !see_a_guest_off()) {
      return make_error(ErrorCode::kOverloaded, "{} that are not known here are connected already",
                        options_.guests_max);
    }
    dial(member, address, Standing::kGuest);
    find(member)->hurry();
    return {};
  }

  std::size_t guests() const {
    return static_cast<std::size_t>(
        std::count_if(peers_.begin(), peers_.end(),
                      [](const auto& entry) { return entry.second.standing == Standing::kGuest; }));
  }

  // One that is not here at the moment.
  bool see_a_guest_off() {
    const auto guest = std::find_if(peers_.begin(), peers_.end(), [](const auto& entry) {
      return entry.second.standing == Standing::kGuest && !entry.second.link->connected();
    });
    if (guest == peers_.end()) return false;
    peers_.erase(guest);
    return true;
  }

  rpc::Task<void> sweep_again_and_again() {
    while (true) {
      co_await timer_.afterDelay(options_.linger.count() / 4 * kj::NANOSECONDS);
      sweep();
    }
  }

  void sweep() {
    kj::TimePoint now = timer_.now();
    const kj::Duration linger = options_.linger.count() * kj::NANOSECONDS;
    for (auto entry = peers_.begin(); entry != peers_.end();) {
      auto& [member, peer] = *entry;
      if (peer.standing == Standing::kGuest && peer.link->connected()) peer.since = now;
      if (peer.standing == Standing::kMember || now - peer.since < linger) {
        ++entry;
        continue;
      }
      // Whoever has left and comes again learns from the refusal of its greeting that it has.
      door_->drop(member);
      entry = peers_.erase(entry);
    }
  }

  kj::Network& network_;
  kj::Timer& timer_;
  const TransportOptions options_;
  const Handlers handlers_;
  const Handlers link_handlers_;
  Prng random_;
  std::shared_ptr<DoorState> door_;
  rpc::Server server_;
  std::map<MemberId, Peer> peers_;
  kj::Promise<void> sweeping_;
};

Transport::Transport(rpc::Loop&, kj::Network& network, kj::Timer& timer, TransportOptions options,
                     Handlers handlers)
    : impl_(kj::heap<Impl>(network, timer, std::move(options), std::move(handlers))) {}
Transport::~Transport() noexcept {}

kj::Promise<void> Transport::listen(kj::Own<kj::ConnectionReceiver> receiver) {
  return impl_->listen(kj::mv(receiver));
}

void Transport::set_peers(const std::map<MemberId, std::string>& peers) {
  impl_->set_peers(peers);
}

void Transport::send(std::vector<Message> messages) {
  impl_->send(std::move(messages));
}

kj::Maybe<capnp::Capability::Client> Transport::service_of(MemberId member) {
  if (Link* link = impl_->find(member)) return link->service();
  return nullptr;
}

bool Transport::connected(MemberId member) const {
  return impl_->reaches(member);
}

}  // namespace coord::raft

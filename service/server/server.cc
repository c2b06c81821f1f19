#include "service/server/server.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "schema/rpc/network.h"
#include "service/server/join.h"
#include "service/server/member.h"
#include "service/server/random.h"

namespace coord::service {

class Server::Impl {
 public:
  Impl(rpc::Loop& loop, const ServerConfig& config, DataDirectory data, Identity identity,
       MemberParts parts, std::function<void(const Error&)> ended)
      : data_(std::move(data)),
        member_(loop, config, data_, std::move(identity), std::move(parts), std::move(ended)) {}

  Member& member() { return member_; }

 private:
  DataDirectory data_;  // its lock is let go last
  Member member_;
};

namespace {

Result<rpc::Listener> listen_on(rpc::Loop& loop, const char* what, const std::string& address) {
  auto listener = rpc::listen(loop, address);
  if (listener.ok()) return listener;
  return make_error(listener.error().code, "cannot listen for {} on {}: {}", what, address,
                    listener.error().message);
}

// With the port that was taken, where the system was left to choose one.
std::string with_port(const std::string& address, std::uint16_t port) {
  const std::string free_port = ":0";
  if (!address.ends_with(free_port)) return address;
  return address.substr(0, address.size() - free_port.size()) + ":" + std::to_string(port);
}

Identity first_identity(const ServerConfig& config) {
  // A cluster of one need not agree on its name with anybody, and may grow: one that begins anew in
  // its place, on an empty disk, must not be taken for it.
  const bool alone = config.initial_cluster.size() == 1;
  Identity identity{.cluster = alone ? random_id<ClusterId>() : config.cluster_id(),
                    .member = config.member_id(config.name),
                    .name = config.name,
                    .incarnation = random_id<Incarnation>()};
  for (const auto& [name, address] : config.initial_cluster) {
    identity.initial.emplace(config.member_id(name), InitialMember{name, address});
  }
  return identity;
}

// The configuration that the log begins with; later ones are in the log. The only member of a
// cluster may move: nobody else knows its address.
raft::Configuration initial_configuration(const Identity& identity, const std::string& address) {
  raft::Configuration configuration;
  for (const auto& [id, member] : identity.initial) {
    configuration.voters.push_back(id);
    const bool alone = identity.initial.size() == 1;
    configuration.addresses.emplace(id, alone ? address : member.peer_address);
  }
  return configuration;
}

// Who this member is: what its data directory says, if it has one that is someone's.
Result<Identity> identity_of(rpc::Loop& loop, const ServerConfig& config) {
  auto found = DataDirectory::look(config.data_dir);
  if (!found) return found.error();
  if (!*found) return config.join.empty() ? first_identity(config) : find_cluster(loop, config);
  Identity identity = std::move(**found);
  // The directory is opened as that of whom the flags name: another's is refused there.
  identity.name = config.name;
  const std::size_t named = config.initial_cluster_given ? config.initial_cluster.size() : 0;
  if (named > 1 || (named == 1 && identity.initial.size() != 1)) {
    identity.cluster = config.cluster_id();
  }
  return identity;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(rpc::Loop& loop, const ServerConfig& given,
                                              std::function<void(const Error&)> ended) {
  ServerConfig config = given;
  auto clients = listen_on(loop, "clients", config.listen_client);
  if (!clients) return clients.error();
  auto peers = listen_on(loop, "members", config.listen_peer);
  if (!peers) return peers.error();
  config.listen_client = with_port(config.listen_client, clients->port);
  config.advertise_client = with_port(config.advertise_client, clients->port);
  config.listen_peer = with_port(config.listen_peer, peers->port);
  config.advertise_peer = with_port(config.advertise_peer, peers->port);
  auto identity = identity_of(loop, config);
  if (!identity) return identity.error();
  // After the ports: a start that fails for one leaves no trace in the directory.
  auto data = DataDirectory::open(config.data_dir, *identity);
  if (!data) return data.error();

  MemberParts parts;
  parts.clients = kj::mv(clients->receiver);
  parts.peers = kj::mv(peers->receiver);
  parts.configuration = initial_configuration(*identity, config.advertise_peer);
  parts.log_directory = data->log();
  parts.state_directory = data->state();
  parts.snapshot_directory = data->snapshot();
  if (Status status = open_storage(loop, identity->cluster, identity->member, parts);
      !status.ok()) {
    return status.error();
  }
  auto met = Incarnations::read(data->met());
  if (!met) return met.error();
  parts.met = std::move(*met);
  spdlog::info(
      "coordd {}: serving clients on {}, members on {}, member {} of cluster {:016x}, "
      "data in {}",
      version_text(), config.listen_client, config.listen_peer, identity->member,
      identity->cluster.value(), config.data_dir.string());
  return std::unique_ptr<Server>(new Server(std::make_unique<Impl>(
      loop, config, std::move(*data), std::move(*identity), std::move(parts), std::move(ended))));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

void Server::shut_down() {
  impl_->member().shut_down();
}

}  // namespace coord::service

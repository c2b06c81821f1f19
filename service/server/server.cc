#include "service/server/server.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "schema/rpc/network.h"
#include "service/server/member.h"

namespace coord::service {

class Server::Impl {
 public:
  Impl(rpc::Loop& loop, const ServerConfig& config, DataDirectory data, MemberParts parts)
      : data_(std::move(data)), member_(loop, config, std::move(parts)) {}

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

// The configuration that every member starts from; later ones are in the log.
raft::Configuration initial_configuration(const ServerConfig& config) {
  raft::Configuration configuration;
  for (const auto& [name, address] : config.initial_cluster) {
    configuration.voters.push_back(config.member_id(name));
  }
  return configuration;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(rpc::Loop& loop, const ServerConfig& given) {
  ServerConfig config = given;
  const Identity identity{config.cluster_id(), config.member_id(config.name), config.name};
  auto clients = listen_on(loop, "clients", config.listen_client);
  if (!clients) return clients.error();
  auto peers = listen_on(loop, "members", config.listen_peer);
  if (!peers) return peers.error();
  // After the ports: a start that fails for one leaves no trace in the directory.
  auto data = DataDirectory::open(config.data_dir, identity);
  if (!data) return data.error();
  config.listen_client = with_port(config.listen_client, clients->port);
  config.advertise_client = with_port(config.advertise_client, clients->port);
  config.listen_peer = with_port(config.listen_peer, peers->port);

  MemberParts parts;
  parts.clients = kj::mv(clients->receiver);
  parts.peers = kj::mv(peers->receiver);
  parts.configuration = initial_configuration(given);
  parts.log_directory = data->log();
  parts.state_directory = data->state();
  parts.snapshot_directory = data->snapshot();
  if (Status status = open_storage(loop, identity.cluster, identity.member, parts); !status.ok()) {
    return status.error();
  }
  auto server = std::unique_ptr<Server>(
      new Server(std::make_unique<Impl>(loop, config, std::move(*data), std::move(parts))));
  spdlog::info("coordd {}: serving clients on {}, members on {}, cluster {:016x} of {}, data in {}",
               version_text(), config.listen_client, config.listen_peer, identity.cluster.value(),
               config.initial_cluster.size(), config.data_dir.string());
  return server;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

void Server::shut_down() {
  impl_->member().shut_down();
}

}  // namespace coord::service

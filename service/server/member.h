// The parts of a running member and how they are joined.
//
// Loop thread.
#pragma once

#include <kj/async-io.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "raft/node/durable_log.h"
#include "raft/node/node.h"
#include "raft/storage/posix_file_system.h"
#include "raft/transport/transport.h"
#include "schema/rpc/loop.h"
#include "schema/rpc/server.h"
#include "service/api/api.h"
#include "service/api/compactor.h"
#include "service/api/digest_watch.h"
#include "service/server/alarm.h"
#include "service/server/config.h"
#include "service/server/data_directory.h"
#include "service/server/flush_schedule.h"
#include "service/server/incarnations.h"
#include "service/server/observers.h"
#include "service/server/peer_links.h"
#include "service/server/peer_trouble.h"
#include "service/server/place.h"
#include "service/server/stall_watch.h"
#include "service/server/state_snapshots.h"

namespace coord::service {

// What can fail has been done before a Member is made of it.
struct MemberParts {
  kj::Own<kj::ConnectionReceiver> clients;
  kj::Own<kj::ConnectionReceiver> peers;
  raft::Configuration configuration;
  std::filesystem::path log_directory;
  std::filesystem::path state_directory;
  std::filesystem::path snapshot_directory;

  std::unique_ptr<raft::FileSystem> files;
  std::unique_ptr<raft::Log> log;
  std::unique_ptr<Store> store;
  std::unique_ptr<Observers> observers;
  std::unique_ptr<State> state;
  raft::Restored restored;
  Incarnations::Known met;
};

// Opens log and state, and sees whether they belong together.
[[nodiscard]] Status open_storage(rpc::Loop& loop, ClusterId cluster, MemberId self,
                                  MemberParts& parts);

class Member {
 public:
  // `ended`: as Place::Handlers.
  Member(rpc::Loop& loop, const ServerConfig& config, DataDirectory& data, Identity identity,
         MemberParts parts, std::function<void(const Error&)> ended);
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  void shut_down();

 private:
  Clock clock() const;
  raft::CoreOptions core_options() const;
  raft::TransportOptions transport_options() const;
  raft::Transport::Handlers transport_handlers();
  ApiOptions api_options() const;
  ApiDependencies api_dependencies();
  Place::Handlers place_handlers(std::function<void(const Error&)> ended);
  raft::Identification identify() const;
  rpc::Task<Result<FoundMember>> find_at(std::string address, Duration timeout);

  void receive(raft::Message message);
  void end_turn();
  rpc::Task<void> keep_house();
  MemberRecord own_record() const;
  rpc::Task<void> publish_self();
  ServerStats stats() const;

  rpc::Loop& loop_;
  ServerConfig config_;
  Instant started_;
  std::filesystem::path log_directory_;

  // In order of making; what is further down refers to what is above.
  std::unique_ptr<raft::FileSystem> files_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Observers> observers_;
  std::unique_ptr<State> state_;
  Worker disk_;  // for what the loop may not wait for
  Place place_;
  std::unique_ptr<Applier> applier_;
  PeerLinks links_;
  std::unique_ptr<StateSnapshots> snapshots_;
  std::unique_ptr<raft::WriterLog> log_;
  std::unique_ptr<raft::Node> node_;
  std::unique_ptr<FlushSchedule> flushes_;
  std::unique_ptr<StateLeaseSource> lease_source_;
  std::unique_ptr<LeaseKeeper> leases_;
  std::unique_ptr<StateWatchSource> watch_source_;
  std::unique_ptr<WatchHub> watches_;
  std::unique_ptr<Compactor> compactor_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<raft::Transport> transport_;
  std::unique_ptr<DigestWatch> digests_;
  std::unique_ptr<rpc::Server> clients_;
  StallWatch stalls_;
  PeerTrouble trouble_;
  std::uint64_t log_bytes_ = 0;
  Instant memory_looked_at_{};
  bool publishing_ = false;
  Alarm alarm_;
  kj::Promise<void> peers_listening_;
  kj::Promise<void> clients_listening_;
  kj::Promise<void> publishing_task_;
  kj::Promise<void> house_;
  rpc::Loop::HookHandle hook_;
};

}  // namespace coord::service

// One connection to one member: logged in, its services at hand, and who it is known.
//
// Shared by those who have calls outstanding on it; closed by the Directory alone. After close(),
// or when the member has gone, every outstanding and later call fails. I/O thread.
#pragma once

#include <kj/async-io.h>

#include <memory>
#include <optional>
#include <string>

#include "client/lib/environment.h"
#include "coord/values.h"
#include "schema/coord.capnp.h"
#include "schema/rpc/connection.h"
#include "schema/rpc/task.h"

namespace coord::internal {

class Connection final {
 public:
  // What a member said of the cluster while the connection was made.
  struct Greeting {
    ResponseHeader header;
    std::vector<MemberInfo> members;
    Index members_version;  // see Header.members
    MemberId leader;
  };

  Connection(std::string address, kj::Own<kj::AsyncIoStream> stream, kj::Timer& timer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const std::string& address() const { return address_; }
  MemberId member() const { return greeting_.header.member; }
  const Greeting& greeting() const { return greeting_; }
  bool closed() const { return rpc_ == nullptr; }
  void close();
  // Fulfilled when the member has closed its end.
  kj::Promise<void> on_disconnect() { return rpc_->on_disconnect(); }

  // The member is being asked whether it is there.
  bool probed = false;

  // Before close() only.
  // When anything of the member arrived last.
  kj::TimePoint heard() const { return rpc_->heard(); }
  schema::Kv::Client& kv() { return *kv_; }
  schema::Watch::Client& watch() { return *watch_; }
  schema::Lease::Client& lease() { return *lease_; }
  schema::Lock::Client& lock() { return *lock_; }
  schema::Cluster::Client& cluster() { return *cluster_; }
  schema::Maintenance::Client& maintenance() { return *maintenance_; }
  schema::Membership::Client& membership() { return *membership_; }

 private:
  friend rpc::Task<Result<std::shared_ptr<Connection>>> connect(Environment& environment,
                                                                std::string address,
                                                                std::string client_name);
  rpc::Task<Status> log_in(Environment& environment, std::string client_name);

  std::string address_;
  std::unique_ptr<rpc::Connection> rpc_;
  std::optional<schema::Kv::Client> kv_;
  std::optional<schema::Watch::Client> watch_;
  std::optional<schema::Lease::Client> lease_;
  std::optional<schema::Lock::Client> lock_;
  std::optional<schema::Cluster::Client> cluster_;
  std::optional<schema::Maintenance::Client> maintenance_;
  std::optional<schema::Membership::Client> membership_;
  Greeting greeting_;
};

// kUnreachable, or what the member answered to the login.
rpc::Task<Result<std::shared_ptr<Connection>>> connect(Environment& environment,
                                                       std::string address,
                                                       std::string client_name);

}  // namespace coord::internal

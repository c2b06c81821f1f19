// What every service of the API works with: one member's node, state and surroundings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "raft/base/prng.h"
#include "raft/node/node.h"
#include "schema/coord.capnp.h"
#include "service/api/applier.h"
#include "service/api/clock.h"
#include "service/api/encode.h"
#include "service/api/leader_door.h"
#include "service/api/lock_waiters.h"
#include "service/api/read_gate.h"
#include "service/api/request_limits.h"
#include "service/api/validate.h"
#include "service/state/state.h"

namespace coord::service {

class Compactor;
class LeaseKeeper;
class WatchHub;

struct ApiOptions {
  ClusterId cluster;
  MemberId self;
  RequestLimits limits;
  // Of a request that names none.
  Duration default_deadline = seconds(5);
  // The longest that a request may ask for.
  Duration deadline_max = std::chrono::hours(1);
  // How long a leader is waited for where there is none, see LeaderDoor.
  Duration leader_patience = seconds(3);
  // Of the members that the cluster began with, until they have published more.
  std::map<MemberId, std::string> names;
  std::uint64_t seed = 0;  // of the ids of leases that leave the choice to the server
};

// What the server around the API knows about itself, for status().
struct ServerStats {
  std::string version;
  milliseconds uptime{0};
  std::uint64_t log_bytes = 0;
  std::uint64_t state_bytes = 0;
  std::uint64_t connections = 0;
  std::uint64_t watches = 0;
  microseconds loop_stall_max{0};
};

// Who answers at a peer address.
struct FoundMember {
  ClusterId cluster;
  MemberId id;
  std::string name;
  std::string client_address;
  std::string version;
  bool empty = false;  // it belongs to no configuration yet
};

struct ApiDependencies {
  raft::Node& node;
  State& state;
  Applier& applier;
  LeaseKeeper& leases;
  WatchHub& watches;
  Compactor& compactor;
  Clock clock;
  std::function<kj::Maybe<capnp::Capability::Client>(MemberId)> peer_service;
  // Why no write can be taken now, if so: the state is behind with its flushes, a disk is full.
  std::function<std::optional<Error>()> refuse_writes;
  std::function<ServerStats()> stats;
  // Asks who answers at a peer address; kUnreachable if nobody does.
  std::function<kj::Promise<Result<FoundMember>>(std::string address, Duration timeout)> identify =
      {};
  // Why this member does not take part in the cluster, for people; nothing: it does.
  std::function<std::optional<std::string>()> why_it_does_not_serve = {};
};

// Loop thread. Outlives every capability that it was given to.
struct Context {
  Context(ApiOptions options_in, ApiDependencies deps_in);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // `ms` as requests carry it; 0 is the default.
  Instant deadline(std::uint32_t ms) const;
  // What is left until then, at least 1: as requests carry it.
  std::uint32_t remaining_ms(Instant deadline) const;

  void fill(schema::Header::Builder header) const;
  // With the leader's address, where it is known and of use.
  void fail(Error error, schema::Failure::Builder failure) const;
  Error not_leader() const;
  // What is known of a member, from the configuration and from what it published itself.
  MemberRecord member(MemberId id) const;
  // Its name, or its number if that is not known.
  std::string name_of(MemberId id) const;

  // To be told of every fact of the node.
  void on_fact(const raft::Fact& fact);

  ApiOptions options;
  ApiDependencies deps;
  Door door;
  LeaderDoor leader;
  ReadGate gate;
  LockWaiters locks;
  Prng random;
  std::size_t probes = 0;  // under way
};

}  // namespace coord::service

// Where the leader is: this member, another one that requests can be passed on to, or nowhere.
//
// A request that needs the leader waits for one while an election may be going on; but once there
// has been none for `patience`, there is no quorum, and requests are refused at once.
//
// Loop thread.
#pragma once

#include <kj/async.h>

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <variant>

#include "raft/node/node.h"
#include "schema/peer.capnp.h"
#include "service/api/clock.h"
#include "service/api/sweeper.h"

namespace coord::service {

class LeaderDoor {
 public:
  struct Here {};
  struct There {
    MemberId member;
    schema::Forward::Client service;
  };
  using Place = std::variant<Here, There>;

  struct Dependencies {
    raft::Node& node;
    Clock clock;
    // The service capability of a member that is connected (Transport::service_of).
    std::function<kj::Maybe<capnp::Capability::Client>(MemberId)> peer_service;
  };

  LeaderDoor(Dependencies dependencies, MemberId self, Duration patience, std::size_t waiting_max);
  LeaderDoor(const LeaderDoor&) = delete;
  LeaderDoor& operator=(const LeaderDoor&) = delete;

  // Errors: kNoQuorum, kOverloaded, kShuttingDown; never applied.
  kj::Promise<Result<Place>> find(Instant deadline);
  // Resolves as soon as this member knows who leads, reachable or not; errors as find().
  kj::Promise<Status> known(Instant deadline);

  // Resolves when something about the leadership changes here: who has it, or that it may be used.
  kj::Promise<void> moved() { return moved_.addBranch(); }

  bool here() const { return deps_.node.role() == raft::RoleName::kLeader; }

  // To be told of every fact of the node.
  void on_fact(const raft::Fact& fact);
  void shut_down();

 private:
  struct Waiting {
    kj::Own<kj::PromiseFulfiller<Status>> answer;
    bool reachable;  // has to be in reach, not just known
    Instant deadline;
  };

  kj::ForkedPromise<void> next_move();
  bool satisfied(bool reachable);
  std::optional<Error> refusal(Instant deadline);
  kj::Promise<Status> wait(bool reachable, Instant deadline);
  void note_leader();
  bool sweep();

  Dependencies deps_;
  MemberId self_;
  Duration patience_;
  std::size_t waiting_max_;
  // Since when no leader is known; nothing while one is.
  std::optional<Instant> leaderless_since_;
  std::list<Waiting> waiting_;
  kj::Own<kj::PromiseFulfiller<void>> moving_;  // of moved_; kept before it, as it is made first
  kj::ForkedPromise<void> moved_;
  bool shut_down_ = false;
  Sweeper sweeper_;
};

}  // namespace coord::service

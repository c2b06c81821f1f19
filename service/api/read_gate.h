// The way to a linearizable read: opens once this member has applied all that such a read must see
// (Raft §6.4). A gate that was refused because leadership was changing is tried again, until the
// deadline or until it is clear that there is no leader to be had.
//
// Loop thread.
#pragma once

#include <kj/async.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "raft/node/node.h"
#include "schema/rpc/task.h"
#include "service/api/clock.h"
#include "service/api/leader_door.h"
#include "service/api/sweeper.h"

namespace coord::service {

class ReadGate {
 public:
  ReadGate(raft::Node& node, LeaderDoor& leader, Clock clock, std::size_t waiting_max);
  ReadGate(const ReadGate&) = delete;
  ReadGate& operator=(const ReadGate&) = delete;

  // Errors: kNoQuorum (also where the deadline passes), kOverloaded, kShuttingDown.
  rpc::Task<Status> pass(Instant deadline);

  // The state here has all that had been acknowledged by then: when the newest read that has passed
  // asked. Nothing: none has.
  std::optional<Instant> fresh_as_of() const { return fresh_as_of_; }

  void shut_down();

 private:
  struct Waiting {
    kj::Own<kj::PromiseFulfiller<Status>> answer;
    Instant deadline;
  };
  // Shared with the node's callbacks, which may come when nobody waits any more.
  struct Table {
    std::map<std::uint64_t, Waiting> waiting;
    std::uint64_t last = 0;
    void settle(std::uint64_t id, Status status);
  };

  kj::Promise<Status> ask(Instant deadline);
  bool sweep();

  raft::Node& node_;
  LeaderDoor& leader_;
  Clock clock_;
  std::size_t waiting_max_;
  bool shut_down_ = false;
  std::optional<Instant> fresh_as_of_;
  std::shared_ptr<Table> table_;
  Sweeper sweeper_;
};

}  // namespace coord::service

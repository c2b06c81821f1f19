// Takes the pieces of a snapshot that a leader sends to the store, and tells the core how far it
// has got. Owned by the node; loop thread.
#pragma once

#include <functional>
#include <memory>

#include "raft/core/event.h"
#include "raft/core/output.h"
#include "raft/node/snapshots.h"

namespace coord::raft {

class SnapshotReceiver {
 public:
  struct Handlers {
    // Called from within arrived() and callbacks of the store.
    std::function<void(SnapshotStored)> stored;
    std::function<void(SnapshotReceived)> received;
    std::function<void(const Error&)> failed;  // to be logged; the leader begins again
  };

  SnapshotReceiver(SnapshotStore& store, Handlers handlers);
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  void arrived(ArrivedChunk arrived);

 private:
  struct State;
  static void finish(const std::shared_ptr<State>& state, MemberId from, LogId last);

  // Shared with the callbacks under way, which outlive the receiver.
  std::shared_ptr<State> state_;
};

}  // namespace coord::raft

// The simulation cuts logs only where every member has them, so that nobody needs a snapshot.
#pragma once

#include "raft/node/snapshots.h"
#include "tests/sim/stage.h"

namespace coord::sim {

class NoSnapshots final : public raft::SnapshotStore {
 public:
  void open(Index at_least, Opened) override { violated("a snapshot of {} is wanted", at_least); }
  void store(raft::SnapshotChunk chunk, std::function<void(Result<std::uint64_t>)>) override {
    violated("a piece of a snapshot of {} has come", chunk.last);
  }
  void finish(raft::LogId, std::function<void(Result<Received>)>) override {}
  void install(raft::LogId, std::function<void()>) override {}
  void discard() override {}
};

}  // namespace coord::sim

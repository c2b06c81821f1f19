// For nodes whose logs are never cut: nobody ever needs a snapshot.
#pragma once

#include <gtest/gtest.h>

#include "raft/node/snapshots.h"

namespace coord::raft::testing {

class NoSnapshots final : public SnapshotStore {
 public:
  void open(Index, Opened) override { ADD_FAILURE() << "a snapshot is wanted"; }
  void store(SnapshotChunk, std::function<void(Result<std::uint64_t>)>) override {
    ADD_FAILURE() << "a piece of a snapshot came";
  }
  void finish(LogId, std::function<void(Result<Received>)>) override {}
  void install(LogId, std::function<void()>) override {}
  void discard() override {}
};

}  // namespace coord::raft::testing

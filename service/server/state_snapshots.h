// The state machine's snapshots for the node (raft/node/snapshots.h): copies of the store for
// members that lag behind, and the installation of another member's copy here.
//
//   snapshot/out/   the copy that is being made; its name is gone as soon as it is open
//   snapshot/in/    what is being received
//
// Loop thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "raft/node/snapshots.h"
#include "service/state/state.h"
#include "service/store/snapshot_reader.h"
#include "service/store/snapshot_receiver.h"
#include "service/store/store.h"

namespace coord::service {

class StateCopy;

class StateSnapshots final : public raft::SnapshotStore {
 public:
  struct Options {
    std::filesystem::path directory;  // its own; it removes what is in it
    // In force as long as the log has had no other: what a member was first started with.
    raft::Configuration initial;
  };

  StateSnapshots(Store& store, State& state, Worker::Post post, Options options);
  // Snapshots that were opened may be kept longer, but read nothing any more, and nothing is
  // posted.
  ~StateSnapshots() override;
  StateSnapshots(const StateSnapshots&) = delete;
  StateSnapshots& operator=(const StateSnapshots&) = delete;

  void open(Index at_least, Opened done) override;
  void store(raft::SnapshotChunk chunk, std::function<void(Result<std::uint64_t>)> done) override;
  void finish(raft::LogId last, std::function<void(Result<Received>)> done) override;
  // A failure ends the process.
  void install(raft::LogId last, std::function<void()> done) override;
  void discard() override;

 private:
  void begin_copy();
  void copied(Result<Snapshot> made);
  // In a later turn of the loop, unless this is gone by then.
  void later(std::function<void()> work);

  Store& store_;
  State& state_;
  const Worker::Post post_;
  const std::shared_ptr<Worker> closer_;
  const Options options_;
  // Whoever waits for the copy that is being made.
  std::vector<std::pair<Index, Opened>> waiting_;
  // While somebody is being sent it, others can be sent the same.
  std::weak_ptr<StateCopy> newest_;
  std::vector<std::weak_ptr<SnapshotReader>> readers_;
  SnapshotReceiver receiver_;
  std::optional<StagedSnapshot> staged_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace coord::service

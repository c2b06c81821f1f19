// The snapshots of a simulated member: its flushed state as bytes, taken, sent, received and
// installed at the pace of virtual time. What was received and not installed is gone with the
// process; installing is one atomic step, as replacing a file is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "raft/node/snapshots.h"
#include "tests/sim/stage.h"
#include "tests/sim/state.h"

namespace coord::sim {

class SimSnapshots final : public raft::SnapshotStore {
 public:
  struct Host {
    std::uint8_t number;
    // Runs it after that time, in order, unless the process has ended by then.
    std::function<void(Duration, std::function<void()>)> later;
    std::function<const State&()> flushed;
    // On the disk, and in memory, is that state from now on.
    std::function<void(State)> install;
  };

  SimSnapshots(Stage& stage, Host host) : stage_(stage), host_(std::move(host)) {}

  void open(Index at_least, Opened done) override;
  void store(raft::SnapshotChunk chunk, std::function<void(Result<std::uint64_t>)> done) override;
  void finish(raft::LogId last, std::function<void(Result<Received>)> done) override;
  void install(raft::LogId last, std::function<void()> done) override;
  void discard() override;

  std::uint64_t stored_bytes() const { return staging_ ? staging_->bytes.size() : 0; }

 private:
  struct Staging {
    raft::LogId last;
    std::uint64_t size;
    std::uint64_t checksum;
    std::vector<std::byte> bytes;
  };

  Duration disk_time();
  Duration work_time();

  Stage& stage_;
  const Host host_;
  std::optional<Staging> staging_;
  std::optional<State> received_;
};

}  // namespace coord::sim

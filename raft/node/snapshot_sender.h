// Sends one peer a snapshot, piece by piece: as many at a time as the window allows, not faster
// than the rate limit, on from where the peer says that it stands. Owned by the node; loop thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "raft/base/limits.h"
#include "raft/core/event.h"
#include "raft/core/output.h"
#include "raft/node/snapshots.h"

namespace coord::raft {

struct SnapshotSendOptions {
  std::size_t chunk_bytes = limits::kSnapshotChunkBytes;
  std::size_t window_bytes = 16 * limits::kSnapshotChunkBytes;
  // So that the others' reads and writes do not suffer.
  std::uint64_t bytes_per_second = 128 * limits::kMiB;
  // Without progress for so long, what was sent and not stored is sent again...
  Duration patience = seconds(1);
  // ... and after so long it is given up, to be begun anew with a newer snapshot. Of a peer that
  // has all of it, it is progress that it still says so: to check and to install it takes time; if
  // it wants it from the start again, and a second time, the copy itself is of no use.
  Duration give_up = seconds(30);
};

class SnapshotSender {
 public:
  // Takes the pieces to the core. Called from within callbacks of the store.
  using Step = std::function<void(SnapshotRead)>;

  // `at_least`: the entry that the snapshot has to reach to.
  SnapshotSender(MemberId peer, Index at_least, SnapshotStore& store, SnapshotSendOptions options,
                 Step step);
  ~SnapshotSender();
  SnapshotSender(const SnapshotSender&) = delete;
  SnapshotSender& operator=(const SnapshotSender&) = delete;

  // The peer will need the log behind this entry: the snapshot's last; or what it has to reach to,
  // while it is being made, because it is of the moment when that began.
  Index needs_log_after() const;

  void stored(const StoredByPeer& report, Instant now);
  // Reads on, as far as it may by now. An error: it came to nothing, for that reason.
  Status run(Instant now);
  // When run() has something to do, if nothing happens before.
  Instant deadline() const;

 private:
  struct State;
  static void read_next(const std::shared_ptr<State>& state);

  // Shared with the callbacks under way, which outlive the sender.
  std::shared_ptr<State> state_;
};

}  // namespace coord::raft

// Takes in a snapshot that another member sends in pieces, into a file beside the store, and looks
// at it before anything relies on it.
//
// The file is staged as the data file of a directory of its own, so that Store::replace() can open
// it where it is. What it has of a snapshot is known to this process alone: whatever an earlier one
// left is removed at the start.
//
// Loop thread; the disk is a worker's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "raft/base/bytes.h"
#include "service/store/snapshot.h"
#include "service/store/worker.h"

namespace coord::service {

// What the sender says of it.
struct ExpectedSnapshot {
  raft::LogId applied;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;

  friend bool operator==(const ExpectedSnapshot&, const ExpectedSnapshot&) = default;
};

struct ReceiverOptions {
  // The receiver's own: it removes what is in it.
  std::filesystem::path directory;
  ReadContent read_content;
  // Accepted and not yet written; more is refused.
  std::size_t queued_bytes_max = std::size_t{8} << 20;
};

class SnapshotReceiver {
 public:
  SnapshotReceiver(ReceiverOptions options, Worker::Post post);
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  // Begins with that snapshot, or goes on with it. Returns the offset to go on from: zero if it is
  // another one than before, or if anything failed meanwhile; then what there was is dropped.
  std::uint64_t begin(const ExpectedSnapshot& expected);
  // What is being received, and how much of it has been taken.
  const std::optional<ExpectedSnapshot>& expected() const { return expected_; }
  std::uint64_t received() const { return received_; }

  // The next piece. Refused at once, by `done` within the call: kInvalidArgument (nothing was
  // begun, another offset is wanted, or it goes beyond the end), kOverloaded (too much waits to be
  // written). Otherwise `done` comes when it has been written: kStorageFull and kIo drop all of it.
  // No `done` comes after the receiver is gone.
  void write(std::uint64_t offset, Bytes piece, std::function<void(Status)> done);

  // After the last piece. Makes it durable, reads it back and looks into it. kCorrupt: it is not
  // what it was said to be. Any failure drops all of it. kInvalidArgument: there is more to come,
  // or it is being finished already. kCancelled: another one was begun, or it was discarded
  // meanwhile. On success it is the caller's, until begin() or discard().
  void finish(std::function<void(Result<StagedSnapshot>)> done);

  void discard();

 private:
  struct Staging;

  Status refusal(std::uint64_t offset, std::size_t bytes) const;
  void forget();

  const ReceiverOptions options_;
  std::optional<ExpectedSnapshot> expected_;
  std::uint64_t received_ = 0;
  std::size_t queued_bytes_ = 0;  // with the worker, also of a snapshot that was dropped
  bool finishing_ = false;
  std::uint64_t attempt_ = 0;  // one more for each snapshot that was begun
  std::shared_ptr<Staging> staging_;
  Worker worker_;  // last: its jobs use what is above
};

}  // namespace coord::service

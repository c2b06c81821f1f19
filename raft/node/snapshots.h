// Snapshots as the node sees them: something immutable that can be read in pieces and sent, and a
// place where such pieces are put together again and take the state machine's place. What is in a
// snapshot is the state machine's business (service/store), or a simulation's.
//
// Loop thread only; everything that takes time answers through a callback on the loop, which is
// never run from within the call, and not after the object that was called is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "raft/base/result.h"
#include "raft/core/configuration.h"
#include "raft/core/message.h"

namespace coord::raft {

// A state as of one entry. Kept for as long as somebody holds it.
class Snapshot {
 public:
  virtual ~Snapshot() = default;

  virtual LogId last() const = 0;
  virtual std::uint64_t size() const = 0;
  virtual std::uint64_t checksum() const = 0;  // of all bytes
  // The bytes from `offset` on, `bytes_max` of them or up to the end.
  virtual void read(std::uint64_t offset, std::size_t bytes_max,
                    std::function<void(Result<Bytes>)> done) = 0;
  // It has turned out to be damaged: open() gives it to nobody any more.
  virtual void spoil() = 0;
};

class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  // A snapshot that reaches at least to that entry, which the state machine has applied: one that
  // there is, or a new one.
  using Opened = std::function<void(Result<std::shared_ptr<Snapshot>>)>;
  virtual void open(Index at_least, Opened done) = 0;

  // Puts a piece where it belongs. Answers how many bytes of that snapshot are stored without a gap
  // by now. A piece of another snapshot than the last one's begins it anew.
  virtual void store(SnapshotChunk chunk, std::function<void(Result<std::uint64_t>)> done) = 0;

  // All of it is stored. Verifies it; a snapshot that is not sound is dropped (kCorrupt).
  struct Received {
    LogId last;
    Configuration configuration;  // in force at `last`
  };
  virtual void finish(LogId last, std::function<void(Result<Received>)> done) = 0;

  // The finished snapshot becomes the state machine's state, atomically and durably. An error ends
  // the process: nobody knows what is on the disk then.
  virtual void install(LogId last, std::function<void()> done) = 0;
  // It is not wanted any more.
  virtual void discard() = 0;
};

}  // namespace coord::raft

// What a snapshot is: a whole store in one file, a compacting copy of some flushed state. Made by
// one member (copier.h), read in pieces (snapshot_reader.h), taken in by another one
// (snapshot_receiver.h), and put in the place of what that had (Store::replace).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "raft/base/bytes.h"
#include "raft/base/result.h"
#include "raft/core/types.h"
#include "service/state/tables.h"

namespace coord::service {

// What the state in the file says of itself.
struct SnapshotContent {
  raft::LogId applied;  // the last entry that it has in it
  std::uint64_t digest = 0;
  // The configuration in force there, as its entry's payload, and which entry that was; zero and
  // nothing if the log has had none up to there.
  raft::LogId configuration_at;
  Bytes configuration;

  friend bool operator==(const SnapshotContent&, const SnapshotContent&) = default;
};

// Knows where a state keeps that. kCorrupt if it is not there. Runs on any thread.
using ReadContent = std::function<Result<SnapshotContent>(const Tables&)>;

struct Snapshot {
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;  // hash64() of the file
  SnapshotContent content;
};

struct CopyOptions {
  // There when the copy is whole and durable, and not before. Its directory must exist; what it has
  // under that name, or that name and ".tmp", is replaced.
  std::filesystem::path target;
  // Of what is written; zero: as fast as it goes. A slow copy lets LMDB's file grow for longer.
  std::uint64_t bytes_per_second = std::uint64_t{192} << 20;
  ReadContent read_content;
};

// Whole, durable and what it was said to be; for Store::replace().
struct StagedSnapshot {
  std::filesystem::path directory;
  SnapshotContent content;
};

}  // namespace coord::service

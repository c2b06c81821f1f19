// The tables: LMDB holds the state as of the last flush, an overlay in memory holds what was
// applied since (DESIGN: "The state").
//
// Writes touch memory only. When the overlay is full or old it is frozen, a new one takes
// its place, and the flusher, a thread of the Store's own and the only writer of LMDB, writes the
// frozen one in one synced transaction. When that is done the frozen overlay is dropped.
//
// What LMDB holds can be copied to a file, a snapshot, while all this goes on; and a snapshot can
// be put in the place of everything that is here.
//
// Loop thread, except what says otherwise. One frozen overlay at a time: while the flusher is busy
// the active overlay just grows.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "raft/base/result.h"
#include "raft/core/types.h"
#include "service/state/tables.h"
#include "service/store/snapshot.h"

namespace coord::service {

struct StoreOptions {
  std::filesystem::path directory;
  // The most that LMDB's file may ever take. Address space only: it is not reserved on disk.
  std::size_t map_bytes = std::size_t{1} << 38;
};

class Store final : public Tables {
 public:
  using Post = std::function<void(std::function<void()>)>;
  struct Handlers {
    // The disk failed under the flusher; the process has to stop.
    std::function<void(Error)> failed;
    // flush_progress() has grown: some hundred times in a flush. May be null.
    std::function<void()> flush_advanced = nullptr;
  };

  // Opens or creates: kInUse, kUnsupported (written by another version), kCorrupt, kIo,
  // kStorageFull. `post` runs what it is given on the loop's thread, in order, and may be
  // called from any thread.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, Post post, Handlers handlers);
  // Finishes a flush that is under way, cancels a copy.
  ~Store() override;

  std::optional<std::string_view> get(Table table, std::string_view key) const override;
  std::unique_ptr<Cursor> seek(Table table, std::string_view from) const override;
  void put(Table table, std::string_view key, std::string_view value) override;
  void erase(Table table, std::string_view key) override;
  void append(Table queue, std::string_view key, std::string_view value) override;
  void erase_before(Table queue, std::string_view key) override;
  void expect_reads(Table queue, std::string_view from) const override;

  // Bytes of memory that the active overlay takes.
  std::size_t overlay_bytes() const;
  // No flush may be begun: one is under way, or the store is being replaced.
  bool flushing() const;
  // About how much of its time the flush under way has taken, from 0 to 1; 1 if there is none.
  double flush_progress() const;

  // About how many pages LMDB would have to rewrite for the active overlay, each of them in memory
  // until that is committed; four that are written in a row count as one. Where many keys are
  // written at random that is what a flush costs.
  std::size_t flush_pages() const;
  // Keeps what this process has mapped within bounds; cheap, to be called often.
  void look_after_memory();

  // Freezes the active overlay and lets the flusher write it; `done` runs on the loop's thread when
  // it is on disk. Must not be called while flushing() is true. An empty overlay is done at once.
  void flush(std::function<void()> done);

  // Makes a snapshot of what was flushed last. `done` runs on the loop's thread, unless the store
  // goes before: kStorageFull, kIo, kCancelled, kCorrupt. One at a time.
  void copy(CopyOptions options, std::function<void(Result<Snapshot>)> done);
  bool copying() const;
  // `done` comes soon, with kCancelled unless it was nearly done. Without effect if there is none.
  void cancel_copy();

  // Puts a snapshot in the place of what is here, memory included. Reads and writes go on until
  // then, and what was written is gone with the rest. A flush that is under way is finished first;
  // then everything that takes time is done by the flusher, beside the old state, and within the
  // loop's turn that calls `done` the one is exchanged for the other: who keeps anything of these
  // tables in mind has to take it anew. A crash leaves the old state or the new one, whole. An
  // error: the snapshot cannot be opened, and nothing has changed. One at a time.
  void replace(StagedSnapshot staged, std::function<void(Status)> done);
  // The last entry of the snapshot that this store once was; zero if it never was one.
  raft::LogId installed_at() const;

  struct Stats {
    std::uint64_t flushes = 0;
    std::uint64_t flushed_operations = 0;
    nanoseconds flush_time_total{0};
    nanoseconds flush_time_max{0};
    std::uint64_t disk_bytes = 0;
    std::uint64_t blocks_read_ahead = 0;  // of queues
  };
  Stats stats() const;

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::service

// The thread that writes the log. Values go in, completions come back; nothing else is shared.
//
// Group commit: whatever has been submitted while the last sync was running is written together and
// synced once.
#pragma once

#include <functional>
#include <memory>

#include "raft/storage/log.h"

namespace coord::raft {

class LogWriter {
 public:
  // Completions run on the loop's thread: `post` must be callable from any thread and run what it
  // is given there, in order, until the LogWriter is destroyed.
  using Post = std::function<void(std::function<void()>)>;

  struct Handlers {
    // All batches up to that ticket are durable.
    std::function<void(Ticket)> persisted;
    // The disk failed; the process has to stop. Nothing more will be persisted.
    std::function<void(Error)> failed;
  };

  LogWriter(std::unique_ptr<Log> log, Post post, Handlers handlers);
  // Finishes the write that is under way, drops what is only queued, joins the thread.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Loop thread. Order is kept.
  void submit(Durable batch);
  // Loop thread; the answer comes through `post`, in order with the writes submitted before it.
  void read(Index from, Index through, std::size_t bytes_max,
            std::function<void(Result<Log::Slice>)> done);
  // Loop thread; `done` gets the first index still kept.
  void cut(Index through, std::function<void(Index first)> done);

  struct Stats {
    std::uint64_t batches = 0;
    std::uint64_t syncs = 0;
    std::uint64_t bytes = 0;
    nanoseconds sync_time_total{0};
    nanoseconds sync_time_max{0};
  };
  Stats stats() const;  // any thread

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coord::raft

// The node's durable log on the log writer's thread, and what a node starts from.
#pragma once

#include <functional>
#include <memory>

#include "raft/base/result.h"
#include "raft/node/node.h"
#include "raft/storage/log_writer.h"

namespace coord::raft {

// Passes the node's work to a LogWriter and the completions back to the node. Loop thread. It is
// made before the node, which borrows it, and has to be gone before the node is.
class WriterLog final : public DurableLog {
 public:
  // `failed` runs on the loop's thread, once: the disk failed and the process has to stop.
  WriterLog(std::unique_ptr<Log> log, LogWriter::Post post, std::function<void(Error)> failed);

  // Where completions go; to be called once, before the node's first pump().
  void attach(Node& node) { node_ = &node; }
  // Joins the writer's thread: no completion reaches the node after this. What was submitted and is
  // not yet written is dropped, as in a crash.
  void stop() { writer_.reset(); }

  void submit(Durable batch) override;
  void load(Load request) override;
  void cut(Index through) override;

  LogWriter::Stats stats() const { return writer_ ? writer_->stats() : LogWriter::Stats{}; }

 private:
  Node* node_ = nullptr;
  std::unique_ptr<LogWriter> writer_;
};

// What a node starts from: the log, and the state that was flushed with `applied` as its last entry
// and `configuration` as the one in force there. kCorrupt if the two cannot belong together: the
// log ends before the state, begins behind it, or has another entry where the state ends. Of a
// state that is a snapshot and has taken in nothing since (`installed` is `applied`), the log may
// be that of before: then it is begun anew, as it was about to be when the crash came.
Result<Restored> restore(Log& log, LogId applied, Configuration configuration,
                         LogId installed = {});

}  // namespace coord::raft

// When the state is written to disk: once what was applied since has grown large or old.
//
// Loop thread.
#pragma once

#include <optional>

#include "raft/node/node.h"
#include "service/state/state.h"
#include "service/store/store.h"

namespace coord::service {

struct FlushOptions {
  std::size_t bytes = limits::kOverlayBytesMax;
  Duration age = seconds(2);
  // Entries that change nothing have to be flushed too some time, or the log could never be cut.
  std::uint64_t entries = 100'000;
  // While LMDB writes so many pages, each of them takes as much memory, and the log's syncs wait
  // for the disk that writes them. Scattered writes to many keys touch nearly a page each, so that
  // writing more of them at a time would not save much.
  std::size_t pages = 2'000;
  // When so much waits for the flush under way to end, in bytes of memory or in pages that the next
  // one will have to write, nothing is applied before it has.
  std::size_t behind_bytes = limits::kOverlayBytesMax;
  std::size_t behind_pages = 8'000;
  // Of both, as much may wait when a flush begins; the rest comes with its progress. So writes that
  // are faster than the disk are slowed down by it evenly, where they would go on at their speed
  // and then all stand still until the flush has ended.
  double at_once = 0.25;
};

// As much waits as may ever wait.
bool is_behind(const Store& store, const FlushOptions& options);
// Nothing is to be applied before the flush under way has come further.
bool is_too_fast(const Store& store, const FlushOptions& options);

class FlushSchedule {
 public:
  FlushSchedule(State& state, Store& store, raft::Node& node, FlushOptions options = {});

  // Looks whether it is time; cheap.
  void look(Instant now);
  bool behind() const { return is_behind(store_, options_); }
  bool too_fast() const { return is_too_fast(store_, options_); }

 private:
  bool due(Instant now);
  void flush();

  State& state_;
  Store& store_;
  raft::Node& node_;
  FlushOptions options_;
  // Since when there is something to flush.
  std::optional<Instant> dirty_since_;
  Index flushed_;
};

}  // namespace coord::service

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
};

class FlushSchedule {
 public:
  FlushSchedule(State& state, Store& store, raft::Node& node, FlushOptions options = {});

  // Looks whether it is time; cheap.
  void look(Instant now);
  bool behind() const {
    return store_.flushing() && (store_.overlay_bytes() > options_.behind_bytes ||
                                 store_.flush_pages() > options_.behind_pages);
  }

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

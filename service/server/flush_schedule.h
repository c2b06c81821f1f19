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
  // While LMDB writes so many pages, each of them takes as much memory. Scattered writes to many
  // keys touch nearly a page each, and writing twice as many at a time would not save much.
  std::size_t pages = 2'000;
  // A state that is so far behind with its flushes takes no writes until it has caught up: in bytes
  // of memory, or in pages that the next flush will have to write.
  std::size_t overload_bytes = 2 * limits::kOverlayBytesMax;
  std::size_t overload_pages = 24'000;
};

class FlushSchedule {
 public:
  FlushSchedule(State& state, Store& store, raft::Node& node, FlushOptions options = {});

  // Looks whether it is time; cheap.
  void look(Instant now);
  bool overloaded() const {
    return store_.overlay_bytes() > options_.overload_bytes ||
           store_.flush_pages() > options_.overload_pages;
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

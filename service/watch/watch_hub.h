// All watches of one member (schema/coord.capnp: Watch).
//
// One mechanism serves every watch: it has a position, the next revision to look at, and moves it
// forward at its own pace. As long as it keeps up it is live: new changes are looked up in an index
// of all ranges, and only those whom they concern are woken, and read them from a ring that all
// watches share. One that falls behind the ring reads the state's history in slices until it has
// caught up. So nothing is ever queued for a slow watch, and none costs anything while nothing
// happens in its ranges.
//
// A watch has one batch on its way at a time; the next is made when Cap'n Proto's flow control
// says that the client keeps up.
//
// Loop thread. The observer's call during apply() only takes the changes into the ring; delivery
// happens in KJ tasks, for at most about a millisecond a turn. Dropping the handle, or losing the
// connection, ends a watch.
#pragma once

#include <kj/timer.h>

#include <functional>
#include <memory>
#include <span>

#include "raft/base/limits.h"
#include "schema/coord.capnp.h"
#include "service/watch/source.h"

namespace coord::service {

struct WatchOptions {
  // A watch that has been told nothing for so long is told how far it has come.
  Duration progress_interval = seconds(10);
  // How long a watch that begins beyond the next revision waits for this member to get there, as
  // one does that was served by a member a little ahead.
  Duration future_patience = seconds(1);
  std::size_t ring_bytes_max = limits::kWatchRingBytesMax;
  std::size_t batch_bytes_max = limits::kWatchBatchBytesMax;
  std::size_t watches_max = limits::kWatchesMax;
  std::size_t key_bytes_max = limits::kKeyBytesMax;  // no key can be longer: it would wait for ever
};

class WatchHub {
 public:
  using FillHeader = std::function<void(schema::Header::Builder)>;

  // `source`, the timer and what `fill_header` uses must outlive the hub. Clients' capabilities
  // need not be gone when the hub goes.
  WatchHub(const WatchSource& source, kj::Timer& timer, FillHeader fill_header,
           WatchOptions options = {});
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // As StateObserver::on_changes; to be called for every revision that changed a key, in order,
  // from the one after that which the source had when the hub was made.
  void on_changes(Revision revision, std::span<const Change> changes);

  // As StateObserver::on_reloaded: every watch goes on from where it is, by reading the history;
  // one whose place is gone from that is told so (kCompacted).
  void on_reloaded();

  // The service to hand out to a client.
  schema::Watch::Client service();

  // Ends every watch with kShuttingDown and refuses new ones, so that clients resume elsewhere.
  void shut_down();

  struct Stats {
    std::uint64_t watches = 0;
    std::uint64_t behind = 0;  // not live: listing, or reading history
    std::uint64_t batches = 0;
    std::uint64_t events = 0;
    std::uint64_t ring_bytes = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  class Service;
  std::shared_ptr<Impl> impl_;
};

}  // namespace coord::service

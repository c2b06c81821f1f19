// One watch: what it wants, how far it has come, and how it makes its next batch.
//
// A watch lists (if asked to), then scans: it looks at every revision from its position on, in the
// ring as far as that reaches back, else in the state's history. When it has seen all there is, it
// is live: from then on it is told which revisions concern it, and looks at those alone. One that
// is told of more than it keeps in mind scans again.
//
// Loop thread. Nothing of a revision is delivered twice or left out: all that moves the position is
// in take().
#pragma once

#include <kj/time.h>

#include <deque>
#include <optional>

#include "service/watch/batch.h"
#include "service/watch/change_ring.h"
#include "service/watch/key_intervals.h"
#include "service/watch/range_index.h"
#include "service/watch/source.h"

namespace coord::service {

struct WatchSpec {
  KeyIntervals keys;
  Revision from;  // the first revision wanted
  // First the state as of the revision before `from`.
  bool list = false;
  bool want_previous = false;
  bool no_put = false;
  bool no_delete = false;
  kj::Duration progress_interval = 0 * kj::SECONDS;
};

// What may still be done in this turn of the loop.
class WatchBudget {
 public:
  static constexpr std::size_t kChanges = 4096;
  static constexpr std::size_t kBytes = std::size_t{512} << 10;

  bool left() const { return changes_ > 0 && bytes_ > 0; }
  void spend(std::size_t changes, std::size_t bytes) {
    changes_ -= changes < changes_ ? changes : changes_;
    bytes_ -= bytes < bytes_ ? bytes : bytes_;
  }

 private:
  std::size_t changes_ = kChanges;
  std::size_t bytes_ = kBytes;
};

// What all watches of a hub share.
struct WatchShared {
  const WatchSource& source;
  ChangeRing ring;
  // Everything up to here has been offered to live watches.
  Revision offered;
  std::size_t batch_bytes_max;
};

class Watcher {
 public:
  // `registered`: the newest revision there was when it came into the index; the ring may lack
  // changes of it and before that concern nobody else.
  Watcher(WatchId id, WatchSpec spec, const WatchShared& shared, Revision registered);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  WatchId id() const { return id_; }
  const WatchSpec& spec() const { return spec_; }
  bool live() const { return mode_ == Mode::kLive; }

  // A revision that concerns it, in order. True if it has become busy with that.
  bool offer(Revision revision);
  // There is more behind what has been offered than will be: it has to look for itself.
  void rescan();
  // There is nothing to do until an offer comes.
  bool idle() const { return live() && hits_.empty(); }
  // The next thing to send, if anything is found before the budget ends. An Error is the last one.
  std::optional<WatchBatch> next_batch(WatchBudget& budget);

  // Everything up to there was delivered. Nothing while it lists.
  std::optional<Revision> progress() const;

 private:
  enum class Mode : std::uint8_t { kListing, kScanning, kLive };
  // More than a watch that keeps up ever has.
  static constexpr std::size_t kHitsMax = 64;

  std::optional<WatchBatch> list(WatchBudget& budget);
  // Each returns false when the batch is full.
  bool follow_hits(WatchEvents& batch, WatchBudget& budget);
  bool scan_ring(WatchEvents& batch, WatchBudget& budget);
  bool scan_history(WatchEvents& batch, WatchBudget& budget, std::optional<Error>& failure);
  bool take(Revision revision, std::span<const Change> changes, bool keep, WatchEvents& batch,
            WatchBudget& budget);
  bool wants(const Change& change) const;
  bool previous_is_known(Revision revision) const;

  const WatchId id_;
  const WatchSpec spec_;
  const WatchShared& shared_;
  const Revision ring_from_;  // not before that, whatever the ring holds

  Mode mode_;
  // The next revision to look at: all before it has been delivered. Of that revision, the first
  // `offset_` changes have been.
  Revision next_;
  std::size_t offset_ = 0;
  // Live: revisions that concern it and were not delivered, in order.
  std::deque<Revision> hits_;
  // Listing: which interval, and where in it.
  std::size_t list_interval_ = 0;
  std::string list_cursor_;
};

}  // namespace coord::service

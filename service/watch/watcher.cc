#include "service/watch/watcher.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"

namespace coord::service {

namespace {

// How much history is read in one go, and how many keys are looked at for a list.
constexpr std::size_t kHistorySliceBytes = std::size_t{64} << 10;
constexpr std::size_t kListSliceKeys = 1024;
// A look-up costs about as much as looking at so many changes.
constexpr std::size_t kLookUpCost = 8;

std::size_t size_of(const WatchEvents::Event& event) {
  std::size_t size = event.change.key.size() + event.change.value.size();
  if (event.previous) size += event.previous->key.size() + event.previous->value.size();
  // So that many small events do not make a message of any size either.
  constexpr std::size_t kOverhead = 100;
  return size + kOverhead;
}

}  // namespace

Watcher::Watcher(WatchId id, WatchSpec spec, const WatchShared& shared, Revision registered)
    : id_(id),
      spec_(std::move(spec)),
      shared_(shared),
      ring_from_(registered.next()),
      mode_(spec_.list ? Mode::kListing : Mode::kScanning),
      next_(spec_.from) {}

bool Watcher::offer(Revision revision) {
  // Who is not live will come there by itself; who read the history may have been there already.
  if (!live() || revision < next_) return false;
  if (!hits_.empty() && hits_.back() == revision) return false;
  const bool was_idle = hits_.empty();
  if (hits_.size() == kHitsMax) {
    next_ = hits_.front();
    hits_.clear();
    mode_ = Mode::kScanning;
    return false;
  }
  hits_.push_back(revision);
  return was_idle;
}

void Watcher::rescan() {
  if (!live()) return;
  next_ = hits_.empty() ? std::max(next_, shared_.offered.next()) : hits_.front();
  hits_.clear();
  mode_ = Mode::kScanning;
}

std::optional<WatchBatch> Watcher::next_batch(WatchBudget& budget) {
  if (mode_ == Mode::kListing) return list(budget);
  WatchEvents batch;
  std::optional<Error> failure;
  bool room = true;
  while (room && !idle() && !failure && budget.left()) {
    if (live()) {
      room = follow_hits(batch, budget);
    } else if (next_ > shared_.offered) {
      // From here on it is offered whatever concerns it.
      mode_ = Mode::kLive;
    } else if (next_ >= ring_from_ && next_ >= shared_.ring.complete_from() &&
               previous_is_known(next_)) {
      room = scan_ring(batch, budget);
    } else {
      room = scan_history(batch, budget, failure);
    }
  }
  // What was found before a failure goes first; asked again, it fails again.
  if (!batch.events.empty()) return batch;
  if (failure) return *std::move(failure);
  return std::nullopt;
}

std::optional<Revision> Watcher::progress() const {
  if (mode_ == Mode::kListing) return std::nullopt;
  if (idle()) return std::max(shared_.offered, next_.prev());
  return (live() ? hits_.front() : next_).prev();
}

std::optional<WatchBatch> Watcher::list(WatchBudget& budget) {
  const Revision as_of = next_.prev();
  const auto& intervals = spec_.keys.list();
  // Revision 0 is the empty state, and for a query it would mean the newest one.
  while (list_interval_ < intervals.size() && !as_of.is_zero()) {
    if (!budget.left()) return std::nullopt;
    auto found = shared_.source.range({.range = intervals[list_interval_].range(),
                                       .revision = as_of,
                                       .cursor = list_cursor_,
                                       .bytes_max = shared_.batch_bytes_max,
                                       .scan_max = kListSliceKeys});
    if (!found.ok()) return found.error();
    if (found->more) {
      list_cursor_ = std::move(found->cursor);
    } else {
      list_cursor_.clear();
      ++list_interval_;
    }
    budget.spend(found->more ? kListSliceKeys : found->items.size() + kLookUpCost, 0);
    if (!found->items.empty()) return WatchListed{std::move(found->items)};
  }
  mode_ = Mode::kScanning;
  return WatchListEnd{as_of};
}

bool Watcher::follow_hits(WatchEvents& batch, WatchBudget& budget) {
  const Revision revision = hits_.front();
  const ChangeRing::Entry* entry = shared_.ring.find(revision);
  if (entry == nullptr || entry->revision != revision || !previous_is_known(revision)) {
    // It has fallen out of the ring meanwhile, or was compacted.
    next_ = revision;
    hits_.clear();
    mode_ = Mode::kScanning;
    return true;
  }
  if (next_ != revision) {
    CHECK(offset_ == 0 && next_ < revision, "hit {} with {}+{} to come", revision, next_, offset_);
    next_ = revision;
  }
  const bool room = take(revision, entry->changes, false, batch, budget);
  if (next_ > revision) hits_.pop_front();
  return room;
}

bool Watcher::scan_ring(WatchEvents& batch, WatchBudget& budget) {
  const ChangeRing::Entry* entry = shared_.ring.find(next_);
  if (entry == nullptr || entry->revision > shared_.offered) {
    // The rest, up to what has been offered, concerns nobody.
    next_ = shared_.offered.next();
    return true;
  }
  next_ = entry->revision;
  return take(entry->revision, entry->changes, false, batch, budget);
}

bool Watcher::scan_history(WatchEvents& batch, WatchBudget& budget, std::optional<Error>& failure) {
  bool room = true;
  const auto look = [&](Revision revision, std::span<const Change> changes) {
    if (!room) return;
    next_ = revision;
    room = take(revision, changes, true, batch, budget);
  };
  const auto next = shared_.source.changes_since(next_, kHistorySliceBytes, look);
  budget.spend(kLookUpCost, kHistorySliceBytes / 8);
  if (!next.ok()) {
    failure = next.error();
  } else if (room) {
    next_ = *next;
  }
  return room;
}

// Adds what is wanted of a revision, from `offset_` on, and moves the position behind the revision;
// or, if the batch is full, leaves it there. A revision is cut only if it fills a batch alone.
bool Watcher::take(Revision revision, std::span<const Change> changes, bool keep,
                   WatchEvents& batch, WatchBudget& budget) {
  const std::size_t events_before = batch.events.size();
  const std::size_t bytes_before = batch.bytes;
  batch.partial = false;
  budget.spend(changes.size() + 1, 0);
  for (std::size_t i = offset_; i < changes.size(); ++i) {
    if (!wants(changes[i])) continue;
    WatchEvents::Event event{changes[i], std::nullopt};
    if (spec_.want_previous && !changes[i].previous_mod_revision.is_zero()) {
      event.previous = shared_.source.previous_of(changes[i]);
      budget.spend(kLookUpCost, 0);
    }
    const std::size_t size = size_of(event);
    if (batch.bytes + size > shared_.batch_bytes_max && !batch.events.empty()) {
      if (events_before > 0) {
        // The whole revision goes into the next batch.
        batch.events.resize(events_before);
        batch.bytes = bytes_before;
      } else {
        batch.partial = true;
        offset_ = i;
      }
      return false;
    }
    if (keep) {
      std::string& kept = batch.kept.emplace_back();
      kept.reserve(changes[i].key.size() + changes[i].value.size());
      kept.append(changes[i].key).append(changes[i].value);
      event.change.key = std::string_view(kept).substr(0, changes[i].key.size());
      event.change.value = std::string_view(kept).substr(changes[i].key.size());
    }
    batch.bytes += size;
    batch.events.push_back(std::move(event));
  }
  offset_ = 0;
  next_ = revision.next();
  return true;
}

// The ring may hold what is before the compaction line by now; what that replaced nobody tells.
bool Watcher::previous_is_known(Revision revision) const {
  return !spec_.want_previous || revision >= shared_.source.compacted();
}

bool Watcher::wants(const Change& change) const {
  if (change.deleted ? spec_.no_delete : spec_.no_put) return false;
  return spec_.keys.contains(change.key);
}

}  // namespace coord::service

#include "service/watch/watch_hub.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"
#include "service/watch/watch_hub_impl.h"

namespace coord::service {

namespace {
// A message costs about as much as looking at so many changes.
constexpr std::size_t kSendCost = 16;
constexpr Duration kProgressIntervalMin = milliseconds(100);
// Whoever wants to be told less often is told that often.
constexpr Duration kProgressIntervalMax = seconds(60);
}  // namespace

WatchHub::Impl::Impl(const WatchSource& source, kj::Timer& timer, FillHeader fill_header,
                     WatchOptions options)
    : source_(source),
      timer_(timer),
      fill_header_(std::move(fill_header)),
      options_(options),
      revision_(source.revision()),
      shared_{source, ChangeRing(revision_.next()), revision_, options.batch_bytes_max},
      tasks_(*this) {}

// --- What happens -------------------------------------------------------------------------------

void WatchHub::Impl::on_changes(Revision revision, std::span<const Change> changes) {
  CHECK_LT(revision_, revision);
  const bool all_offered = shared_.offered == revision_;
  revision_ = revision;
  if (!waiting_.empty() && waiting_.begin()->first <= revision) schedule();
  if (watches_.empty()) {
    shared_.ring.reset(revision.next());
    shared_.offered = revision;
    return;
  }
  const bool concerns = std::any_of(changes.begin(), changes.end(), [this](const Change& change) {
    return index_.concerns_any(change.key);
  });
  if (!concerns) {
    if (all_offered) shared_.offered = revision;
    return;
  }
  shared_.ring.push(revision, changes);
  make_room();
  schedule();
}

void WatchHub::Impl::on_reloaded() {
  for (auto& [id, entry] : watches_) {
    entry.watcher.rescan();
    if (!entry.sending) enqueue(entry);
  }
  // The ring lacks what came in between.
  revision_ = source_.revision();
  shared_.ring.reset(revision_.next());
  shared_.offered = revision_;
  schedule();
}

// Outside of apply() all that there is has been told.
void WatchHub::Impl::note_revision() {
  const bool all_offered = shared_.offered == revision_;
  revision_ = source_.revision();
  if (all_offered) shared_.offered = revision_;
}

void WatchHub::Impl::make_room() {
  while (shared_.ring.bytes() > options_.ring_bytes_max) {
    // What leaves the ring must have been offered, or a live watch would miss it.
    const ChangeRing::Entry& front = shared_.ring.front();
    WatchBudget any;
    if (front.revision > shared_.offered) offer(front, any);
    shared_.ring.pop();
  }
}

void WatchHub::Impl::offer_all(WatchBudget& budget) {
  while (shared_.offered < revision_) {
    const ChangeRing::Entry* entry = shared_.ring.find(shared_.offered.next());
    if (entry == nullptr) {
      shared_.offered = revision_;
      return;
    }
    if (!budget.left()) return;
    offer(*entry, budget);
  }
}

void WatchHub::Impl::offer(const ChangeRing::Entry& entry, WatchBudget& budget) {
  for (const Change& change : entry.changes) {
    std::size_t offers = 1;
    index_.visit(change.key, [&](Watcher& watcher) {
      ++offers;
      if (!watcher.offer(entry.revision)) return;
      const auto found = watches_.find(watcher.id());
      if (!found->second.sending) enqueue(found->second);
    });
    budget.spend(offers, 0);
  }
  shared_.offered = entry.revision;
}

// --- Delivery -----------------------------------------------------------------------------------

void WatchHub::Impl::enqueue(Entry& entry) {
  if (entry.queued) return;
  entry.queued = true;
  ready_.push_back(entry.watcher.id());
}

void WatchHub::Impl::schedule() {
  if (std::exchange(scheduled_, true)) return;
  // The timer's time stands still within a turn of the loop, and what is spent in a turn is spent.
  if (timer_.now() == budget_turn_ && !budget_.left()) {
    tasks_.add(timer_.afterDelay(0 * kj::SECONDS).then([this] {
      budget_ = WatchBudget();
      run();
    }));
  } else {
    tasks_.add(kj::evalLater([this] { run(); }));
  }
}

void WatchHub::Impl::run() {
  scheduled_ = false;
  note_revision();
  if (timer_.now() != budget_turn_) {
    budget_turn_ = timer_.now();
    budget_ = WatchBudget();
  }
  wake_waiting();
  offer_all(budget_);
  while (!ready_.empty() && budget_.left()) {
    const WatchId id = ready_.front();
    ready_.pop_front();
    const auto found = watches_.find(id);
    if (found == watches_.end()) continue;
    found->second.queued = false;
    step(found->second, budget_);
  }
  if (!ready_.empty() || shared_.offered < revision_) schedule();
}

void WatchHub::Impl::step(Entry& entry, WatchBudget& budget) {
  if (entry.sending) return;
  const auto batch = entry.watcher.next_batch(budget);
  if (batch) {
    if (const Error* error = std::get_if<Error>(&*batch)) return fail(entry, *error);
    budget.spend(kSendCost, words_of(*batch) * sizeof(capnp::word));
    send(entry, *batch);
  } else if (!entry.watcher.idle()) {
    enqueue(entry);
  }
}

void WatchHub::Impl::send(Entry& entry, const WatchBatch& batch) {
  auto request = entry.sink.deliverRequest(capnp::MessageSize{words_of(batch), 0});
  auto out = request.initBatch();
  fill_header_(out.initHeader());
  encode_batch(batch, out);

  ++batches_;
  if (const auto* events = std::get_if<WatchEvents>(&batch)) events_ += events->events.size();
  entry.sending = true;
  entry.told_at = timer_.now();
  const WatchId id = entry.watcher.id();
  tasks_.add(request.send().then([this, id] { on_sent(id); },
                                 // The client is gone, or wants no more.
                                 [this, id](kj::Exception&&) { remove(id); }));
}

void WatchHub::Impl::on_sent(WatchId id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  found->second.sending = false;
  if (found->second.watcher.idle()) return;
  enqueue(found->second);
  schedule();
}

// The last word to a watch; it does not wait for those before it to be taken.
void WatchHub::Impl::fail(Entry& entry, const Error& error) {
  send(entry, error);
  tasks_.add(entry.sink.doneRequest().send().ignoreResult());
  remove(entry.watcher.id());
}

// --- Progress -----------------------------------------------------------------------------------

void WatchHub::Impl::await_progress(Entry& entry, kj::TimePoint due) {
  entry.progress_due = due;
  progress_.emplace(due, entry.watcher.id());
}

void WatchHub::Impl::arm_progress() {
  if (progress_.empty()) return;
  const kj::TimePoint first = progress_.begin()->first;
  KJ_IF_MAYBE (armed, progress_armed_) {
    if (*armed <= first) return;
  }
  progress_armed_ = first;
  tasks_.add(timer_.atTime(first).then([this, first] {
    KJ_IF_MAYBE (armed, progress_armed_) {
      // Another one was armed for an earlier time, and has seen to everything.
      if (*armed != first) return;
    }
    progress_armed_ = nullptr;
    send_progress();
  }));
}

void WatchHub::Impl::send_progress() {
  note_revision();
  const kj::TimePoint now = timer_.now();
  while (!progress_.empty() && progress_.begin()->first <= now) {
    Entry& entry = watches_.find(progress_.begin()->second)->second;
    progress_.erase(progress_.begin());
    const kj::Duration interval = entry.watcher.spec().progress_interval;
    // Being told something is progress too; to ask for the time only here keeps sending cheap.
    const kj::TimePoint due = entry.told_at + interval;
    await_progress(entry, due > now ? due : now + interval);
    if (due > now) continue;
    const auto through = entry.watcher.progress();
    if (!entry.sending && through) send(entry, WatchProgress{*through});
  }
  arm_progress();
}

// --- Coming and going ---------------------------------------------------------------------------

Result<WatchSpec> WatchHub::Impl::parse(schema::WatchRequest::Reader request) const {
  auto keys = KeyIntervals::parse(request.getRanges(), options_.key_bytes_max);
  if (!keys.ok()) return keys.error();
  const std::chrono::nanoseconds progress =
      request.getProgressMs() == 0
          ? options_.progress_interval
          : std::clamp<Duration>(milliseconds(request.getProgressMs()), kProgressIntervalMin,
                                 kProgressIntervalMax);
  WatchSpec spec{.keys = *std::move(keys),
                 .from = Revision(request.getFromRevision()),
                 .list = request.getList(),
                 .want_previous = request.getWantPrevious(),
                 .no_put = request.getNoPut(),
                 .no_delete = request.getNoDelete(),
                 .progress_interval = progress.count() * kj::NANOSECONDS};
  // From now on. Said here, so that nothing is missed while the answer is on its way.
  if (spec.from.is_zero()) spec.from = source_.revision().next();
  return spec;
}

bool WatchHub::Impl::is_future(const WatchSpec& spec) const {
  return spec.from.prev() > source_.revision();
}

kj::Promise<void> WatchHub::Impl::wait_for(Revision revision) {
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    waiting = waiting->second->isWaiting() ? std::next(waiting) : waiting_.erase(waiting);
  }
  auto paf = kj::newPromiseAndFulfiller<void>();
  waiting_.emplace(revision, kj::mv(paf.fulfiller));
  const kj::Duration patience = options_.future_patience.count() * kj::NANOSECONDS;
  return paf.promise.exclusiveJoin(timer_.afterDelay(patience));
}

void WatchHub::Impl::wake_waiting() {
  while (!waiting_.empty() && waiting_.begin()->first <= revision_) {
    waiting_.begin()->second->fulfill();
    waiting_.erase(waiting_.begin());
  }
}

Result<WatchId> WatchHub::Impl::add(WatchSpec spec, schema::WatchSink::Client sink) {
  if (shut_down_) return make_error(ErrorCode::kShuttingDown, "this member is shutting down");
  if (watches_.size() >= options_.watches_max) {
    return make_error(ErrorCode::kOverloaded, "this member has {} watches, and takes no more",
                      watches_.size());
  }
  const Revision newest = source_.revision();
  if (is_future(spec)) {
    Error error = make_error(ErrorCode::kFutureRevision,
                             "revision {} is in the future, the newest is {}", spec.from, newest);
    error.revision = newest;
    return error;
  }
  // A watch that cannot begin is refused now, and not by its first batch.
  if (spec.from <= newest) {
    const auto kept = source_.changes_since(spec.from, 1, [](Revision, std::span<const Change>) {});
    if (!kept.ok()) return kept.error();
  }
  ++last_id_;
  Entry& entry =
      watches_.try_emplace(last_id_, last_id_, std::move(spec), shared_, newest, kj::mv(sink))
          .first->second;
  for (const KeyInterval& interval : entry.watcher.spec().keys.list()) {
    index_.add(interval, last_id_, entry.watcher);
  }
  entry.told_at = timer_.now();
  await_progress(entry, entry.told_at + entry.watcher.spec().progress_interval);
  arm_progress();
  enqueue(entry);
  schedule();
  return last_id_;
}

void WatchHub::Impl::remove(WatchId id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  for (const KeyInterval& interval : found->second.watcher.spec().keys.list()) {
    index_.remove(interval, id);
  }
  progress_.erase({found->second.progress_due, id});
  watches_.erase(found);
}

void WatchHub::Impl::shut_down() {
  shut_down_ = true;
  Error error = make_error(ErrorCode::kShuttingDown, "this member is shutting down");
  while (!watches_.empty()) fail(watches_.begin()->second, error);
  for (auto& [revision, fulfiller] : waiting_) fulfiller->fulfill();
  waiting_.clear();
}

WatchHub::Stats WatchHub::Impl::stats() const {
  Stats stats{.watches = watches_.size(),
              .batches = batches_,
              .events = events_,
              .ring_bytes = shared_.ring.bytes()};
  for (const auto& [id, entry] : watches_) stats.behind += entry.watcher.live() ? 0 : 1;
  return stats;
}

void WatchHub::Impl::taskFailed(kj::Exception&&) {
  // A client that went away; its watch ends with the batch that could not be sent.
}

WatchHub::WatchHub(const WatchSource& source, kj::Timer& timer, FillHeader fill_header,
                   WatchOptions options)
    : impl_(std::make_shared<Impl>(source, timer, std::move(fill_header), options)) {}
WatchHub::~WatchHub() = default;

void WatchHub::on_changes(Revision revision, std::span<const Change> changes) {
  impl_->on_changes(revision, changes);
}
void WatchHub::on_reloaded() {
  impl_->on_reloaded();
}
void WatchHub::shut_down() {
  impl_->shut_down();
}
WatchHub::Stats WatchHub::stats() const {
  return impl_->stats();
}

}  // namespace coord::service

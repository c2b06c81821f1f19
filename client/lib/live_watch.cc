#include "client/lib/watches.h"

namespace coord::internal {
namespace {

// What waits for a consumer that does not pull, before the member is told to wait.
constexpr std::size_t kReadyBytesMax = 1024 * 1024;
constexpr std::size_t kEventOverhead = 128;

std::size_t bytes_of(const KeyValue& record) {
  return kEventOverhead + record.key.size() + record.value.size();
}

}  // namespace

void LiveWatch::begin_generation() {
  list_begun_ = false;
  seen_revision_ = Revision();
  seen_ = 0;
}

void LiveWatch::end_generation() {
  for (auto& waiter : std::exchange(room_, {})) waiter->fulfill();
}

void LiveWatch::settle_start(Revision start) {
  accepted_ = true;
  // Events may have come before the answer that says so; they settled it as well.
  if (next_.is_zero() && !list_pending_) next_ = start;
}

void LiveWatch::on_listed(std::vector<KeyValue> listed) {
  if (!list_pending_) return;
  if (!list_begun_) {
    list_begun_ = true;
    WatchUpdate begin;
    begin.kind = WatchUpdate::Kind::kListBegin;
    tell(std::move(begin), kEventOverhead);
  }
  std::size_t bytes = 0;
  for (const KeyValue& record : listed) bytes += bytes_of(record);
  WatchUpdate update;
  update.kind = WatchUpdate::Kind::kListed;
  update.listed = std::move(listed);
  if (!update.listed.empty()) tell(std::move(update), bytes);
}

void LiveWatch::on_list_end(Revision revision) {
  if (!list_pending_) return;
  on_listed({});  // an empty list has a beginning too
  list_pending_ = false;
  next_ = revision.next();
  delivered_of_next_ = 0;
  WatchUpdate update;
  update.kind = WatchUpdate::Kind::kListEnd;
  update.revision = revision;
  tell(std::move(update), kEventOverhead);
}

void LiveWatch::on_events(std::vector<WatchEvent> events, bool partial) {
  WatchUpdate update;
  update.kind = WatchUpdate::Kind::kEvents;
  std::size_t bytes = 0;
  Revision last;
  for (WatchEvent& event : events) {
    last = event.current.mod_revision;
    if (last != seen_revision_) {
      seen_revision_ = last;
      seen_ = 0;
    }
    ++seen_;
    // Delivered by an earlier generation.
    if (last < next_ || (last == next_ && seen_ <= delivered_of_next_)) continue;
    if (last > next_) {
      next_ = last;
      delivered_of_next_ = 0;
    }
    ++delivered_of_next_;
    bytes += bytes_of(event.current);
    if (event.previous.has_value()) bytes += bytes_of(*event.previous);
    update.events.push_back(std::move(event));
  }
  if (!partial && last >= next_) {
    next_ = last.next();
    delivered_of_next_ = 0;
  }
  if (update.events.empty()) return;
  update.revision = last;
  update.partial = partial;
  tell(std::move(update), bytes);
}

void LiveWatch::on_progress(Revision revision) {
  if (list_pending_ || revision < next_) return;
  next_ = revision.next();
  delivered_of_next_ = 0;
  WatchUpdate update;
  update.kind = WatchUpdate::Kind::kProgress;
  update.revision = revision;
  // Only the newest is of interest to somebody who has fallen behind.
  if (!ready_.empty() && ready_.back().first.kind == WatchUpdate::Kind::kProgress) {
    ready_.back().first = std::move(update);
    return;
  }
  tell(std::move(update), kEventOverhead);
}

void LiveWatch::end(Error error) {
  if (error_.has_value()) return;
  error_ = std::move(error);
  for (auto& waiter : std::exchange(room_, {})) waiter->fulfill();
  hand_over();
}

bool LiveWatch::full() const {
  return ready_bytes_ > kReadyBytesMax && !ended();
}

kj::Promise<void> LiveWatch::room() {
  if (!full()) return kj::READY_NOW;
  auto paf = kj::newPromiseAndFulfiller<void>();
  room_.push_back(kj::mv(paf.fulfiller));
  return kj::mv(paf.promise);
}

void LiveWatch::pull(CompletionPtr<Result<WatchUpdate>> completion) {
  puller_ = std::move(completion);
  ++pull_number_;
  hand_over();
}

void LiveWatch::give_up_pull(Error error) {
  std::exchange(puller_, nullptr)->complete(std::move(error));
}

void LiveWatch::tell(WatchUpdate update, std::size_t bytes) {
  if (ended()) return;
  ready_bytes_ += bytes;
  ready_.emplace_back(std::move(update), bytes);
  hand_over();
}

void LiveWatch::hand_over() {
  const bool push = static_cast<bool>(callback_);
  while ((push || puller_ != nullptr) && !ready_.empty()) {
    auto [update, bytes] = std::move(ready_.front());
    ready_.pop_front();
    ready_bytes_ -= bytes;
    if (push) {
      callback_(std::move(update));
    } else {
      std::exchange(puller_, nullptr)->complete(std::move(update));
    }
  }
  if (ready_bytes_ <= kReadyBytesMax / 2) {
    for (auto& waiter : std::exchange(room_, {})) waiter->fulfill();
  }
  if (!ready_.empty() || !error_.has_value()) return;
  if (push && !error_told_) callback_(*error_);
  error_told_ = true;
  if (puller_ != nullptr) std::exchange(puller_, nullptr)->complete(*error_);
}

}  // namespace coord::internal

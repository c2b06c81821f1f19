#include "service/lease/lease_book.h"

#include <algorithm>

#include "raft/base/check.h"

namespace coord::service {

namespace {
constexpr std::size_t kLeftOversMin = 1024;
}  // namespace

void LeaseBook::add(LeaseId lease, milliseconds ttl, std::optional<Instant> noted) {
  Note& note = notes_[lease];
  note = Note{.ttl = ttl, .noted = noted};
  if (confirmed_) queue(lease, note, deadline_of(note));
}

void LeaseBook::note(LeaseId lease, Instant now) {
  const auto found = notes_.find(lease);
  CHECK(found != notes_.end(), "lease {} was renewed and never granted", lease);
  found->second.noted = now;
}

void LeaseBook::remove(LeaseId lease) {
  notes_.erase(lease);
}

void LeaseBook::begin(Instant confirmed) {
  confirmed_ = confirmed;
  heap_.clear();
  heap_.reserve(notes_.size());
  for (auto& [lease, note] : notes_) {
    note.queued = deadline_of(note);
    heap_.push_back({*note.queued, lease});
  }
  // Due is totally ordered, so that the order of the map above shows nowhere.
  std::make_heap(heap_.begin(), heap_.end());
}

void LeaseBook::end() {
  confirmed_.reset();
  heap_ = {};
}

std::optional<milliseconds> LeaseBook::ttl(LeaseId lease) const {
  const auto found = notes_.find(lease);
  if (found == notes_.end()) return std::nullopt;
  return found->second.ttl;
}

std::optional<Instant> LeaseBook::deadline(LeaseId lease) const {
  const auto found = notes_.find(lease);
  if (found == notes_.end() || !confirmed_) return std::nullopt;
  return deadline_of(found->second);
}

void LeaseBook::hold(LeaseId lease) {
  const auto found = notes_.find(lease);
  if (found != notes_.end()) ++found->second.held;
}

void LeaseBook::release(LeaseId lease) {
  const auto found = notes_.find(lease);
  // It may have ended, and been granted anew, since it was held.
  if (found != notes_.end() && found->second.held > 0) --found->second.held;
}

std::optional<Instant> LeaseBook::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().at;
}

std::optional<LeaseId> LeaseBook::take_due(Instant now, Instant later) {
  while (!heap_.empty() && heap_.front().at <= now) {
    const Due due = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    const auto found = notes_.find(due.lease);
    if (found == notes_.end() || found->second.queued != due.at) continue;
    Note& note = found->second;
    note.queued.reset();
    if (deadline_of(note) > now) {
      queue(due.lease, note, deadline_of(note));
    } else if (note.held > 0) {
      queue(due.lease, note, later);
    } else {
      return due.lease;
    }
  }
  return std::nullopt;
}

void LeaseBook::put_back(LeaseId lease, Instant earliest) {
  const auto found = notes_.find(lease);
  if (found == notes_.end() || !confirmed_ || found->second.queued) return;
  queue(lease, found->second, std::max(earliest, deadline_of(found->second)));
}

Instant LeaseBook::deadline_of(const Note& note) const {
  return note.noted.value_or(*confirmed_) + note.ttl;
}

void LeaseBook::queue(LeaseId lease, Note& note, Instant at) {
  note.queued = at;
  heap_.push_back({at, lease});
  std::push_heap(heap_.begin(), heap_.end());
  if (heap_.size() > 2 * notes_.size() + kLeftOversMin) drop_left_overs();
}

// Leases that come and go long before they are due must not fill the heap.
void LeaseBook::drop_left_overs() {
  std::erase_if(heap_, [this](const Due& due) {
    const auto found = notes_.find(due.lease);
    return found == notes_.end() || found->second.queued != due.at;
  });
  std::make_heap(heap_.begin(), heap_.end());
}

}  // namespace coord::service

#include "raft/core/progress.h"

#include <algorithm>

#include "raft/base/check.h"

namespace coord::raft {

bool Progress::may_send() const {
  switch (mode_) {
    case Mode::kProbe:
      return !paused_;
    case Mode::kSnapshot:
      return false;
    case Mode::kReplicate:
      break;
  }
  return inflight_.size() < window_.appends_max && inflight_bytes_ < window_.bytes_max;
}

void Progress::sent(Index last, std::size_t bytes, Instant now) {
  append_sent = true;
  CHECK(!in_snapshot());
  if (probing()) {
    paused_ = true;
    return;
  }
  CHECK_GE(last, next_);
  if (inflight_.empty()) moved_at_ = now;
  inflight_.push_back({last, bytes});
  inflight_bytes_ += bytes;
  next_ = last.next();
}

bool Progress::accepted(Index match, Instant now) {
  const bool news = match > match_;
  if (news) {
    match_ = match;
    moved_at_ = now;
  }
  while (!inflight_.empty() && inflight_.front().last <= match) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  // An answer to an older append does not say whether the position being probed matches.
  if (probing() && match >= next_.prev()) {
    mode_ = Mode::kReplicate;
    paused_ = false;
    strides_ = 0;
  }
  if (match >= next_) next_ = match.next();
  return news;
}

bool Progress::concerns_present(Index rejected) const {
  if (rejected <= match_) return false;  // it has accepted more since
  switch (mode_) {
    case Mode::kProbe:
      return rejected == next_.prev();
    case Mode::kSnapshot:
      return false;  // what it needs is under way
    case Mode::kReplicate:
      break;
  }
  return rejected < next_;
}

void Progress::go_back(Index next) {
  CHECK_GT(next, match_);
  next_ = next;
  mode_ = Mode::kProbe;
  paused_ = false;
  inflight_.clear();
  inflight_bytes_ = 0;
}

std::uint64_t Progress::stride() {
  constexpr std::uint64_t kDoublings = 40;
  const std::uint64_t taken = std::min(strides_++, kDoublings);
  return taken == 0 ? 0 : std::uint64_t{1} << (taken - 1);
}

void Progress::pause() {
  append_sent = false;
  if (in_snapshot()) return;  // goes on where it was broken off
  suspect_loss();
  paused_ = true;
}

void Progress::begin_snapshot() {
  go_back(match_.next());
  mode_ = Mode::kSnapshot;
  snapshot_ = {};
  snapshot_whole_ = false;
}

void Progress::sent_snapshot(LogId last, std::uint64_t size) {
  if (last != snapshot_) snapshot_whole_ = false;
  snapshot_ = last;
  snapshot_size_ = size;
}

void Progress::stored_snapshot(LogId last, std::uint64_t received) {
  if (last == snapshot_) snapshot_whole_ = received >= snapshot_size_;
}

std::optional<LogId> Progress::whole_snapshot() const {
  if (!in_snapshot() || !snapshot_whole_) return std::nullopt;
  return snapshot_;
}

void Progress::end_snapshot() {
  CHECK(in_snapshot());
  go_back(match_.next());
}

bool Progress::caught_up(Instant now, Duration limit) const {
  // Probing or not: where nothing is written, no append shows that a broken connection is mended.
  return !in_snapshot() && round_was_short_ && now - round_since_ <= limit;
}

void Progress::note_round(Index last, Instant now, Duration limit) {
  const bool begun = round_end_ != Index::max();
  if (begun && match_ < round_end_) return;
  round_was_short_ = begun && now - round_since_ <= limit;
  round_end_ = last;
  round_since_ = now;
}

bool Progress::stalled(Instant now, Duration patience) {
  if (mode_ != Mode::kReplicate || inflight_.empty() || now - moved_at_ < patience) return false;
  moved_at_ = now;
  return true;
}

}  // namespace coord::raft

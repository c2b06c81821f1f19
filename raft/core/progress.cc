#include "raft/core/progress.h"

#include "raft/base/check.h"

namespace coord::raft {

bool Progress::may_send() const {
  if (probing_) return !paused_;
  return inflight_.size() < window_.appends_max && inflight_bytes_ < window_.bytes_max;
}

void Progress::sent(Index last, std::size_t bytes, Instant now) {
  append_sent = true;
  if (probing_) {
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
  if (probing_ && match >= next_.prev()) probing_ = paused_ = false;
  if (match >= next_) next_ = match.next();
  return news;
}

bool Progress::concerns_present(Index rejected) const {
  if (rejected <= match_) return false;  // it has accepted more since
  return probing_ ? rejected == next_.prev() : rejected < next_;
}

void Progress::go_back(Index next) {
  CHECK_GT(next, match_);
  next_ = next;
  probing_ = true;
  paused_ = false;
  inflight_.clear();
  inflight_bytes_ = 0;
}

void Progress::pause() {
  suspect_loss();
  paused_ = true;
  append_sent = false;
}

bool Progress::stalled(Instant now, Duration patience) {
  if (probing_ || inflight_.empty() || now - moved_at_ < patience) return false;
  moved_at_ = now;
  return true;
}

}  // namespace coord::raft

#include "raft/node/snapshot_sender.h"

#include <algorithm>
#include <utility>

namespace coord::raft {

namespace {
// Once may be the peer's restart, or a piece that was damaged on its disk.
constexpr int kFoundUselessMax = 2;
}  // namespace

struct SnapshotSender::State {
  MemberId peer;
  Index at_least;
  SnapshotSendOptions options;
  Step step;
  std::shared_ptr<Snapshot> snapshot;  // null: not there yet
  bool closed = false;
  std::optional<Error> failed;
  bool reading = false;          // one piece at a time, so that they keep their order
  std::uint64_t next = 0;        // to be read
  std::uint64_t stored = 0;      // as the peer said
  Instant not_before{};          // the rate limit
  Instant now{};                 // of the last run()
  std::optional<Instant> since;  // when there last was progress
  int resent = 0;                // since then
  int found_useless = 0;         // so often the peer had all of it, and then less again

  void fail(Error error) {
    if (!failed) failed = std::move(error);
  }
  // Another one, then, for whoever needs one.
  void fail_for_its_content(Error error) {
    snapshot->spoil();
    fail(std::move(error));
  }
  bool whole() const { return stored == snapshot->size(); }
  bool window_is_open() const { return next < stored || next - stored < options.window_bytes; }
  bool may_read() const {
    return !reading && next < snapshot->size() && window_is_open() && now >= not_before;
  }
};

SnapshotSender::SnapshotSender(MemberId peer, Index at_least, SnapshotStore& store,
                               SnapshotSendOptions options, Step step)
    : state_(std::make_shared<State>()) {
  state_->peer = peer;
  state_->at_least = at_least;
  state_->options = options;
  state_->step = std::move(step);
  store.open(at_least, [state = state_](Result<std::shared_ptr<Snapshot>> opened) {
    if (state->closed) return;
    if (opened.ok()) {
      state->snapshot = std::move(*opened);
    } else {
      state->fail(std::move(opened).error());
    }
  });
}

SnapshotSender::~SnapshotSender() {
  state_->closed = true;
}

Index SnapshotSender::needs_log_after() const {
  return state_->snapshot ? state_->snapshot->last().index : state_->at_least;
}

void SnapshotSender::stored(const StoredByPeer& report, Instant now) {
  State& state = *state_;
  if (!state.snapshot || report.last != state.snapshot->last()) return;
  if (report.received > state.snapshot->size()) return;
  // That it has all of it is a sign of life while it checks and installs it.
  if (report.received == state.stored && !state.whole()) return;
  // Backwards, if the peer has lost what it had.
  const bool lost = report.received < state.stored;
  if (lost && state.whole() && ++state.found_useless == kFoundUselessMax) {
    state.fail_for_its_content(make_error(ErrorCode::kCorrupt,
                                          "it has had all of it, {} times, and has no use for it",
                                          kFoundUselessMax));
  }
  state.stored = report.received;
  if (lost || state.next < state.stored) state.next = state.stored;
  state.since = now;
  state.resent = 0;
}

Status SnapshotSender::run(Instant now) {
  State& state = *state_;
  state.now = now;
  if (state.failed) return *state.failed;
  if (!state.snapshot) return {};
  if (!state.since) state.since = now;
  const Duration idle = now - *state.since;
  if (idle >= state.options.give_up) {
    return make_error(ErrorCode::kDeadlineExceeded, "it has stored no more than {} of {} bytes",
                      state.stored, state.snapshot->size());
  }
  if (idle >= state.options.patience * (state.resent + 1)) {
    ++state.resent;
    // Of a peer that has all of it the last piece asks whether it is still at it.
    state.next =
        state.stored -
        (state.whole() ? std::min<std::uint64_t>(state.stored, state.options.chunk_bytes) : 0);
  }
  read_next(state_);
  return {};
}

void SnapshotSender::read_next(const std::shared_ptr<State>& state) {
  if (!state->may_read()) return;
  state->reading = true;
  const std::uint64_t offset = state->next;
  const Snapshot& snapshot = *state->snapshot;
  const std::uint64_t bytes =
      std::min<std::uint64_t>(state->options.chunk_bytes, snapshot.size() - offset);
  state->not_before =
      std::max(state->not_before, state->now) +
      Duration(static_cast<Duration::rep>(bytes * 1'000'000'000 / state->options.bytes_per_second));
  state->snapshot->read(offset, bytes, [state, offset](Result<Bytes> data) {
    state->reading = false;
    if (state->closed) return;
    if (!data.ok()) return state->fail_for_its_content(std::move(data).error());
    if (data->empty()) {
      return state->fail_for_its_content(make_error(
          ErrorCode::kCorrupt, "it ends after {} of {} bytes", offset, state->snapshot->size()));
    }
    if (offset != state->next) return;  // it went back meanwhile
    const std::uint64_t size = data->size();
    state->step(SnapshotRead{.peer = state->peer,
                             .chunk = {.last = state->snapshot->last(),
                                       .size = state->snapshot->size(),
                                       .checksum = state->snapshot->checksum(),
                                       .offset = offset,
                                       .data = std::move(*data)}});
    state->next += size;
  });
}

Instant SnapshotSender::deadline() const {
  const State& state = *state_;
  if (state.failed) return state.now;
  if (!state.snapshot || state.reading) return Instant::max();
  if (!state.since || state.may_read()) return state.now;
  const bool waits_for_rate = state.next < state.snapshot->size() && state.window_is_open();
  const Instant impatient = *state.since + state.options.patience * (state.resent + 1);
  return waits_for_rate ? std::min(impatient, state.not_before) : impatient;
}

}  // namespace coord::raft

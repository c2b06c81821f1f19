// What a leader knows of one peer's log, and how fast it may send to it (Raft §3.5, §10.2). Owned
// by the leader's role data; lives for one leadership, so that nothing learnt in another one
// counts.
//
// Probing: one append is out at a time, until one has been accepted. Replicating: appends are sent
// ahead of their acknowledgements, within a window of messages and bytes; `next` is optimistic.
//
// Snapshot: the log no longer has what the peer needs; nothing is appended until it has the
// snapshot that it is being sent (Raft §5.1).
//
// What holds: match < next. match never falls.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "raft/core/message.h"

namespace coord::raft {

class Fingerprint;

class Progress {
 public:
  struct Window {
    std::size_t appends_max;
    std::size_t bytes_max;
  };

  // A new leader supposes that every log ends like its own (Raft §3.5).
  Progress(Index next, Window window, Instant now)
      : next_(next), window_(window), heard_at_(now), moved_at_(now) {}

  // The peer has durably stored the leader's log up to here.
  Index match() const { return match_; }
  // The next entry to send.
  Index next() const { return next_; }
  bool probing() const { return mode_ == Mode::kProbe; }
  bool in_snapshot() const { return mode_ == Mode::kSnapshot; }
  bool may_send() const;
  std::size_t inflight_appends() const { return inflight_.size(); }
  std::size_t inflight_bytes() const { return inflight_bytes_; }

  // Entries up to `last` were sent.
  void sent(Index last, std::size_t bytes, Instant now);
  // The peer has everything up to `match`. True if that is news.
  bool accepted(Index match, Instant now);
  // True if the refusal of an append at `rejected` is about the present and not about a past that
  // has been overtaken; then go_back() has to follow.
  bool concerns_present(Index rejected) const;
  // Goes on probing from `next`, which is above match.
  void go_back(Index next);
  // How far to go back beyond a refused position where nothing is known of the terms below it:
  // twice as far with each refusal in a row, so that a long stretch that disagrees takes few
  // exchanges.
  std::uint64_t stride();
  // Counts on nothing that is not acknowledged; probes from there.
  void suspect_loss() { go_back(probing() ? next_ : match_.next()); }
  // As suspect_loss(), and sends nothing before the peer's next sign of life: to somebody who
  // cannot be reached, sending at once would only be lost again, at once.
  void pause();

  void begin_snapshot();
  // Goes on appending after `match`.
  void end_snapshot();
  // What it is being sent, and how much of that it has.
  void sent_snapshot(LogId last, std::uint64_t size);
  void stored_snapshot(LogId last, std::uint64_t received);
  // After one came to nothing.
  void no_snapshot_before(Instant time) { no_snapshot_before_ = time; }
  bool may_begin_snapshot(Instant now) const { return now >= no_snapshot_before_; }
  // The snapshot that it has all pieces of, and may have installed by now; nothing if it has not.
  std::optional<LogId> whole_snapshot() const;
  // That it has the entries of the snapshot that it is sent: no more of that is of use.
  bool has_snapshot() const { return !snapshot_.index.is_zero() && match_ >= snapshot_.index; }

  // The peer answers heartbeats: another probe may go.
  void resume() { paused_ = false; }
  // True if appends are in flight and none was acknowledged for `patience`; then asks for patience
  // anew. The caller has the peer tell whether they arrived.
  bool stalled(Instant now, Duration patience);

  // How far behind in time the peer is, in rounds (Raft §4.2.1): a round is over when the peer has
  // what was the end of the log when it began. True if the last one took at most `limit`, and the
  // one under way has not taken longer yet. Nobody is who is being sent a snapshot.
  bool caught_up(Instant now, Duration limit) const;
  // The log ends at `last` now.
  void note_round(Index last, Instant now, Duration limit);

  // Of somebody who was not heard in this leadership: when it began.
  Instant heard_at() const { return heard_at_; }
  bool heard_yet() const { return heard_yet_; }
  void heard(Instant now) {
    heard_at_ = now;
    heard_yet_ = true;
  }

  // The newest round that the peer has acknowledged.
  Round acknowledged() const { return acknowledged_; }
  void acknowledge(Round round) {
    if (round > acknowledged_) acknowledged_ = round;
  }

  // The newest commit index that a message to the peer carried.
  Index commit_told() const { return commit_told_; }
  void told_commit(Index commit) {
    if (commit > commit_told_) commit_told_ = commit;
  }

  // An append went out since the last heartbeat was due, and stands for it.
  bool append_sent = false;
  // Heartbeats left out in a row.
  int heartbeats_skipped = 0;
  // When it became certain that it would be dropped: a peer that is no member any more, and is only
  // kept to be told so.
  std::optional<Instant> leaving_since;

  void add_to(Fingerprint& fingerprint) const;

 private:
  struct Append {
    Index last;
    std::size_t bytes;
  };

  enum class Mode : std::uint8_t { kProbe, kReplicate, kSnapshot };

  Index match_{};
  Index next_;
  Window window_;
  Mode mode_ = Mode::kProbe;
  bool paused_ = false;        // a probe is out
  std::uint64_t strides_ = 0;  // taken since an append was last accepted
  std::deque<Append> inflight_;
  std::size_t inflight_bytes_ = 0;
  LogId snapshot_{};  // that it is sent; zero: nothing of it yet
  std::uint64_t snapshot_size_ = 0;
  bool snapshot_whole_ = false;  // it has all of it
  Instant no_snapshot_before_{};
  Round acknowledged_{};
  Index commit_told_{};
  Instant heard_at_;
  bool heard_yet_ = false;
  Instant moved_at_;                // when match last grew, or was last asked about
  Index round_end_ = Index::max();  // of the catch-up round under way; none was begun yet
  Instant round_since_;
  bool round_was_short_ = false;
};

}  // namespace coord::raft

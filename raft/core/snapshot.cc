// A follower that needs entries which are cut from the log is given the state instead (Raft §5.1).
//
// The core decides who needs a snapshot, who may be sent one and whether one is still of use; what
// a snapshot is, and how fast its pieces travel, is the driver's.
//
// Deviation: a whole snapshot is installed beside the log and not in the step that brought its last
// piece, because replacing a state takes time. Until it is done the follower goes on storing and
// acknowledging entries, and hands none to the state machine.
#include <utility>

#include "raft/core/impl.h"

namespace coord::raft {

// --- The leader's side -------------------------------------------------------------------------

void Core::Impl::begin_snapshot(MemberId id, Progress& peer) {
  peer.begin_snapshot();
  report(PeerNeedsSnapshot{id});
  out_.transfers.push_back({.peer = id, .wanted = true, .at_least = log_first_.prev()});
}

void Core::Impl::on(SnapshotRead event) {
  Progress* peer = peer_of_leader(event.peer);
  if (peer == nullptr || !peer->in_snapshot()) return;
  peer->sent_snapshot(event.chunk.last, event.chunk.size);
  send(event.peer, term(), std::move(event.chunk));
}

void Core::Impl::on(const SnapshotFailed& event) {
  Progress* peer = peer_of_leader(event.peer);
  if (peer == nullptr || !peer->in_snapshot()) return;
  peer->end_snapshot();
  // That it needs one is found out again with a sign of life of the peer; but what failed here,
  // with a full disk, say, would fail again at once.
  peer->no_snapshot_before(now_ + options_.election_timeout_min);
  peer->pause();
}

void Core::Impl::on(const Message& message, const SnapshotReply& reply) {
  Progress* peer = peer_of_leader(message.from);
  if (peer == nullptr) return;
  peer->heard(now_);
  if (!peer->in_snapshot()) return;
  peer->stored_snapshot(reply.last, reply.received);
  out_.stored.push_back({message.from, reply.last, reply.received});
}

// --- The follower's side -----------------------------------------------------------------------

void Core::Impl::on(const Message& message, SnapshotChunk& chunk) {
  const bool sound = !chunk.last.index.is_zero() && chunk.last.index.value() < kBeyondAllIndexes &&
                     !chunk.last.term.is_zero() && chunk.last.term <= message.term &&
                     chunk.offset <= chunk.size && chunk.data.size() <= chunk.size - chunk.offset;
  if (!sound || !follow(message)) {
    refuse(message, Reason::kMalformed);
    return;
  }
  // An older state than ours would take it back in time.
  if (chunk.last.index <= commit_) return holds_already(message.from, chunk.last);
  if (installing_) {
    // The leader asks whether this member is still at it.
    if (installing_->last == chunk.last) {
      send(message.from, term(), SnapshotReply{chunk.last, chunk.size});
    }
    return;
  }
  out_.chunks.push_back({message.from, std::move(chunk)});
}

// What is committed here is in every leader's log.
void Core::Impl::holds_already(MemberId leader, LogId last) {
  // Checking a snapshot takes time, in which this member may have come to lead itself (Raft §3.4).
  if (leader == options_.self) return;
  send_when_durable(
      leader,
      AppendReply{.accepted = true, .match = last.index, .rejected = {}, .hint = {}, .round = {}});
}

void Core::Impl::on(const SnapshotStored& event) {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != event.from) return;
  send(event.from, term(), SnapshotReply{event.last, event.received});
}

void Core::Impl::on(SnapshotReceived event) {
  if (installing_) return;
  if (event.last.index <= commit_) {
    if (!leader().is_zero()) holds_already(leader(), event.last);
    return;
  }
  out_.install = Install{event.last};
  // What came in the same turn would begin another one in its place.
  out_.chunks.clear();
  installing_ = std::move(event);
}

void Core::Impl::on(const SnapshotInstalled& event) {
  CHECK(installing_ && installing_->last == event.last);
  SnapshotReceived snapshot = *std::exchange(installing_, std::nullopt);
  const LogId last = snapshot.last;
  CHECK_LT(handed_out_, last.index);
  // Entries behind it that we have acknowledged must stay, if they follow the same entry; otherwise
  // nothing of our log can (Raft §5.1, figure 5.3, rules 6 and 7).
  const bool keeps = log_.matches(last);
  const bool changes = !keeps || configurations_.latest_index() <= last.index;
  configurations_.rebase(last.index, std::move(snapshot.configuration), keeps);
  if (!keeps) {
    CHECK_LE(commit_, last.index);
    log_.reset(last);
    durability_.reset(last);
    log_first_ = last.index.next();
  }
  durability_.state_holds(last.index);
  handed_out_ = applied_ = last.index;
  report(SnapshotTaken{last, keeps});
  advance_commit(last.index);
  if (changes) configuration_changed();
  if (!leader().is_zero() && !std::holds_alternative<Leader>(role_)) {
    holds_already(leader(), last);
  }
}

}  // namespace coord::raft

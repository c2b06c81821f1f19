// What a leader does: replication (Raft §3.5), commitment (Raft §3.6), and giving up in time.
#include <algorithm>
#include <utility>

#include "raft/base/check.h"
#include "raft/core/impl.h"

namespace coord::raft {

namespace {
// An append stands for the heartbeat of its interval, but not for ever: only heartbeats are
// answered without waiting for the disk, and only they carry held_by_all.
constexpr int kHeartbeatsSkippedMax = 3;
}  // namespace

Progress* Core::Impl::peer_of_leader(MemberId id) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return nullptr;
  const auto peer = leader->peers.find(id);
  return peer == leader->peers.end() ? nullptr : &peer->second;
}

Index Core::Impl::match_of(const Leader& leader, MemberId id) const {
  // Its own entries count once they are durable (Raft §10.2.1), like everybody else's.
  if (id == options_.self) return durability_.durable();
  const auto peer = leader.peers.find(id);
  return peer == leader.peers.end() ? Index{} : peer->second.match();
}

void Core::Impl::append_as_leader(EntryType type, Bytes payload) {
  Leader& leader = std::get<Leader>(role_);
  Entry entry{{term(), log_.last_index().next()}, type, std::move(payload)};
  leader.uncommitted_bytes += cost_of(entry);
  log_.append(std::move(entry));
}

// --- Sending -----------------------------------------------------------------------------------

void Core::Impl::feed_peers(Leader& leader) {
  for (auto& [id, peer] : leader.peers) feed(leader, id, peer);
}

void Core::Impl::feed(Leader& leader, MemberId id, Progress& peer) {
  while (peer.may_send() && peer.next() <= log_.last_index()) {
    if (!send_next(leader, id, peer)) break;
  }
  // Whatever went out has told it; if nothing did, what is newly committed must not wait for the
  // next heartbeat: reads and watches on that member do.
  if (std::min(commit_, peer.match()) > peer.commit_told()) {
    send_heartbeat(leader, id, peer, Round{});
  }
}

bool Core::Impl::send_next(Leader& leader, MemberId id, Progress& peer) {
  if (!log_.holds(peer.next())) {
    load_for(id, peer);
    return false;
  }
  const Index previous = peer.next().prev();
  send_append(leader, id, peer, {*log_.term_at(previous), previous},
              log_.slice(peer.next(), log_.last_index(), options_.append_bytes_max));
  return true;
}

void Core::Impl::send_append(Leader& leader, MemberId id, Progress& peer, LogId previous,
                             std::vector<Entry> entries) {
  std::size_t bytes = 0;
  for (const Entry& entry : entries) bytes += cost_of(entry);
  const Index last = previous.index + entries.size();
  peer.sent(last, bytes, now_);
  peer.told_commit(std::min(commit_, last));
  send(id, term(), AppendRequest{previous, commit_, leader.round, std::move(entries)});
}

void Core::Impl::send_heartbeat(Leader&, MemberId id, Progress& peer, Round round) {
  // Beyond its match the follower's log may still hold what another leader left (Raft §3.5).
  const Index commit = std::min(commit_, peer.match());
  peer.told_commit(commit);
  send(id, term(), Heartbeat{commit, round, held_by_all_});
}

void Core::Impl::ask_whether_arrived(Leader& leader, MemberId id, Progress& peer) {
  const std::optional<Term> term_before = log_.term_at(peer.next().prev());
  if (!term_before) {
    peer.suspect_loss();
    return;
  }
  send(id, term(), AppendRequest{{*term_before, peer.next().prev()}, commit_, leader.round, {}});
}

void Core::Impl::load_for(MemberId id, Progress& peer) {
  if (peer.next() < log_first_) {
    if (!peer.may_begin_snapshot(now_)) return peer.pause();
    begin_snapshot(id, peer);
    return;
  }
  if (!loading_.insert(id).second) return;
  out_.loads.push_back({.peer = id,
                        .from = peer.next(),
                        .through = log_.base().index,
                        .bytes_max = options_.append_bytes_max});
}

void Core::Impl::on(Loaded event) {
  loading_.erase(event.peer);
  Progress* peer = peer_of_leader(event.peer);
  if (peer == nullptr) return;
  if (event.entries.empty()) {
    // They were cut in the meantime; the LogCut that says so is on its way.
    peer->pause();
    return;
  }
  // The peer may have moved on while the disk was read.
  if (event.previous.index.next() != peer->next() || !peer->may_send()) return;
  send_append(std::get<Leader>(role_), event.peer, *peer, event.previous, std::move(event.entries));
}

// --- Answers -----------------------------------------------------------------------------------

void Core::Impl::on(const Message& message, const AppendReply& reply) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  Progress* peer = peer_of_leader(message.from);
  if (peer == nullptr) return;
  if (reply.round > leader->round || (reply.accepted && reply.match > log_.last_index())) {
    refuse(message, Reason::kMalformed);
    return;
  }
  peer->heard(now_);
  peer->acknowledge(reply.round);
  if (!reply.accepted) {
    if (peer->concerns_present(reply.rejected)) go_back(*peer, reply);
  } else {
    const bool news = peer->accepted(reply.match, now_);
    // With the snapshot alone it may still need entries that were cut in the meantime; then it is
    // found out at once that it needs another one.
    if (peer->in_snapshot() && (peer->has_snapshot() || peer->next() >= log_first_)) {
      peer->end_snapshot();
      out_.transfers.push_back({.peer = message.from, .wanted = false});
    }
    if (news) {
      count_replicas(*leader);
      if (leader->handover) tell_target(*leader);
    }
  }
  peer->note_round(log_.last_index(), now_, options_.election_timeout_min);
  count_acknowledgements(*leader);
}

void Core::Impl::go_back(Progress& peer, const AppendReply& reply) {
  // Everything above hint.index is out; of what is left the newest entry that can agree is not of a
  // later term than the follower's (Raft §3.5). That skips a whole term in one exchange.
  const Index before = reply.rejected.prev();
  Index meet = std::min(reply.hint.index, before);
  if (meet > log_.base().index) {
    meet = log_.newest_not_above(meet, reply.hint.term).index;
  } else if (meet >= log_first_) {
    // Which terms it has there only the disk knows. Going too far back costs entries that are sent
    // once more; below what every member has, which may be cut off at any time, and below what this
    // log reaches, it would cost a snapshot.
    const Index floor =
        meet > held_by_all_ ? std::max(log_first_.prev(), held_by_all_) : log_first_.prev();
    meet = meet - std::min(peer.stride(), meet - floor);
  }
  peer.go_back(std::max(meet, peer.match()).next());
}

void Core::Impl::on(const Message& message, const HeartbeatReply& reply) {
  Leader* leader = std::get_if<Leader>(&role_);
  Progress* peer = peer_of_leader(message.from);
  if (leader == nullptr || peer == nullptr) return;
  if (reply.round > leader->round) {
    refuse(message, Reason::kMalformed);
    return;
  }
  peer->heard(now_);
  peer->acknowledge(reply.round);
  // It is there: a probe that was not answered is lost. Appends that were not may be, or its disk
  // may be slow; asking costs little and reopens the window if they are.
  peer->resume();
  peer->note_round(log_.last_index(), now_, options_.election_timeout_min);
  if (peer->stalled(now_, options_.heartbeat_interval)) {
    ask_whether_arrived(*leader, message.from, *peer);
  }
  // That it has installed a snapshot is said once, and may have been lost.
  if (const std::optional<LogId> snapshot = peer->whole_snapshot()) {
    send(message.from, term(), AppendRequest{*snapshot, commit_, leader->round, {}});
  }
  count_acknowledgements(*leader);
}

void Core::Impl::count_replicas(Leader& leader) {
  const Index stored = reached_by_quorum(configuration(), Index{},
                                         [&](MemberId id) { return match_of(leader, id); });
  // Entries of earlier terms are never committed by counting, only by an entry of this term after
  // them (Raft §3.6.2, figure 3.7).
  if (stored <= commit_ || log_.term_at(stored) != term()) return;
  if (!std::exchange(leader.confirmed, true)) report(LeadershipConfirmed{term()});
  advance_commit(stored);
}

// --- Time --------------------------------------------------------------------------------------

void Core::Impl::leader_tick(Leader& leader) {
  if (!quorum_is_heard(leader)) {
    become_follower(term(), {}, Loss::kQuorum);
    return;
  }
  if (disk_is_stuck()) {
    become_follower(term(), {}, Loss::kOther);
    return;
  }
  leader.heartbeat_due = now_ + options_.heartbeat_interval;
  Index held = log_.last_index();
  for (const MemberId member : configuration().members()) {
    held = std::min(held, match_of(leader, member));
  }
  held_by_all_ = std::max(held_by_all_, held);
  begin_round(leader);
  drop_departed_peers(leader);
  if (leader.handover) tell_target(leader);
  for (auto& [id, peer] : leader.peers) {
    const bool heard_lately = now_ - peer.heard_at() < options_.heartbeat_interval;
    // A read round may have been lost; this one stands in for it.
    const bool may_skip =
        leader.reads.size() == 0 && heard_lately && peer.heartbeats_skipped < kHeartbeatsSkippedMax;
    if (std::exchange(peer.append_sent, false) && may_skip) {
      ++peer.heartbeats_skipped;
      continue;
    }
    peer.heartbeats_skipped = 0;
    send_heartbeat(leader, id, peer, leader.round);
  }
}

bool Core::Impl::quorum_is_heard(const Leader& leader) const {
  const Instant heard = reached_by_quorum(configuration(), now_, [&](MemberId id) {
    const auto peer = leader.peers.find(id);
    return peer == leader.peers.end() ? now_ : peer->second.heard_at();
  });
  return now_ - heard < options_.election_timeout_min;
}

bool Core::Impl::disk_is_stuck() const {
  const std::optional<Instant> since = durability_.waiting_since();
  return since && now_ - *since >= options_.election_timeout_max;
}

}  // namespace coord::raft

// Who takes part (Raft §4): changes by joint consensus, one at a time, in force when appended.
//
// Deviation: every change of the voters goes through a joint configuration, also that of a single
// one, for which Raft §4.1 has a shorter way. There is one mechanism to prove instead of two, and
// the shorter one is not safe as published before the leader has committed an entry of its term.
#include <algorithm>
#include <utility>

#include "raft/core/impl.h"

namespace coord::raft {

void Core::Impl::on(ChangeConfiguration event) {
  if (const std::optional<Refusal> refusal = why_not(event.target)) {
    out_.proposals.push_back({event.id, *refusal});
    return;
  }
  Configuration next = std::move(event.target);
  if (!next.has_same_voters(configuration())) {
    next.outgoing = configuration().voters;
    for (const MemberId id : next.outgoing) {
      const auto address = configuration().addresses.find(id);
      if (address != configuration().addresses.end()) next.addresses.insert(*address);
    }
  }
  append_configuration(std::move(next));
  out_.proposals.push_back({event.id, log_.last()});
}

std::optional<Refusal> Core::Impl::why_not(const Configuration& target) const {
  const Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->voted_out) return Refusal::kNotLeader;
  if (leader->handover) return Refusal::kTransferring;
  // Until then this leader may not know of the newest change that is committed, and two changes
  // made from one configuration can have majorities without a member in common (Raft §4.1, and
  // Ongaro's correction of it of July 2015).
  if (!leader->confirmed) return Refusal::kNotReady;
  if (configuration().is_joint() || configurations_.latest_index() > commit_) {
    return Refusal::kChangeInFlight;
  }
  if (!is_sound(target) || target.voters.empty() || target.is_joint() ||
      target == configuration()) {
    return Refusal::kBadConfiguration;
  }
  for (const MemberId id : target.voters) {
    if (configuration().is_voter(id)) continue;
    // An empty voter would hold up commitment until it has the log (Raft §4.2.1).
    const auto peer = leader->peers.find(id);
    if (!configuration().contains(id) || peer == leader->peers.end() ||
        !peer->second.caught_up(now_, options_.election_timeout_min)) {
      return Refusal::kNotCaughtUp;
    }
  }
  return why_not_heard(*leader, target);
}

// Whoever has not been heard in this leadership may have been gone for long; a moment after the
// election that cannot be told from having had no time to answer.
std::optional<Refusal> Core::Impl::why_not_heard(const Leader& leader,
                                                 const Configuration& target) const {
  const Duration limit = options_.election_timeout_min;
  const auto heard_by_quorum = [&](bool with_benefit_of_doubt) {
    const Instant heard = reached_by_quorum(target, now_, [&](MemberId id) {
      const auto peer = leader.peers.find(id);
      if (peer == leader.peers.end()) return now_;
      const bool counts = peer->second.heard_yet() || with_benefit_of_doubt;
      return counts ? peer->second.heard_at() : now_ - limit;
    });
    return now_ - heard < limit;
  };
  if (heard_by_quorum(false)) return std::nullopt;
  return heard_by_quorum(true) ? Refusal::kNotReady : Refusal::kWouldLoseQuorum;
}

void Core::Impl::append_configuration(Configuration configuration) {
  append_as_leader(EntryType::kConfiguration, encode(configuration));
  configurations_.append(log_.last_index(), std::move(configuration));
  configuration_changed();
}

void Core::Impl::configuration_changed() {
  report(ConfigurationChanged{configurations_.latest_index(), configuration()});
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  add_peers(*leader);
  // A round that was under way may be acknowledged by all that count now; perhaps nobody is left
  // whose answer would say so.
  count_acknowledgements(*leader);
}

void Core::Impl::add_peers(Leader& leader) {
  const Progress::Window window{options_.inflight_appends_max, options_.inflight_bytes_max};
  for (const MemberId member : configuration().members()) {
    if (member == options_.self) continue;
    // Whoever was there before keeps what is known of it; a new one is probed from the newest
    // entry.
    const auto [peer, added] =
        leader.peers.emplace(member, Progress(log_.last_index(), window, now_));
    peer->second.leaving_since.reset();
  }
  for (auto& [id, peer] : leader.peers) {
    if (!configuration().contains(id) && !peer.leaving_since) peer.leaving_since = now_;
  }
}

void Core::Impl::committed_configuration(Index before) {
  // Also one that was passed over: added and removed again may be heard of in one message.
  was_member_ = was_member_ || configurations_.had_member(options_.self, before, commit_);
  if (configurations_.as_of(commit_).contains(options_.self)) {
    removed_ = false;
  } else if (was_member_ && !std::exchange(removed_, true)) {
    report(Removed{commit_});
  }
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || configurations_.latest_index() > commit_) return;
  // The time to tell them begins when there is something to tell.
  for (auto& [id, peer] : leader->peers) {
    if (peer.leaving_since) peer.leaving_since = now_;
  }
}

// Whoever is no voter any more may still be needed until that is committed: it may be the only one
// left that has the entry, and then nobody else can win an election (Raft §4.2.2).
bool Core::Impl::may_campaign() const {
  return configurations_.may_be_voter(options_.self, commit_);
}

void Core::Impl::finish_change(Leader& leader) {
  // The leader of that moment does it, whoever began the change: a new one comes here when it has
  // committed the entry that begins its term.
  if (!leader.confirmed || leader.handover || configurations_.latest_index() > commit_) return;
  if (configuration().is_joint()) {
    Configuration next = configuration();
    next.outgoing.clear();
    std::erase_if(next.addresses, [&](const auto& entry) { return !next.contains(entry.first); });
    append_configuration(std::move(next));
    return;
  }
  leader.voted_out = !configuration().is_voter(options_.self);
}

void Core::Impl::drop_departed_peers(Leader& leader) {
  if (configurations_.latest_index() > commit_) return;
  const Duration farewell = options_.election_timeout_max * kFarewellTimeouts;
  std::erase_if(leader.peers, [&](const auto& entry) {
    const auto& [id, peer] = entry;
    if (!peer.leaving_since || now_ - *peer.leaving_since < farewell) return false;
    if (peer.in_snapshot()) out_.transfers.push_back({.peer = id, .wanted = false});
    return true;
  });
}

void Core::Impl::go_voted_out(Leader& leader) {
  // Those who have the configuration were told by now that it is committed. One of them can lead at
  // once; nobody has to find out by waiting.
  if (const MemberId successor = best_prepared(leader); !successor.is_zero()) {
    send(successor, term(), TimeoutNow{});
  }
  become_follower(term(), {});
}

}  // namespace coord::raft

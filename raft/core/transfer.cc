// Leadership for another member (Raft §3.10): the leader takes no more proposals, brings the target
// up to date, and has it campaign at once. Should it not have taken over within an election
// timeout, this member goes on leading.
#include <algorithm>

#include "raft/core/impl.h"

namespace coord::raft {

void Core::Impl::on(const TransferLeadership& event) {
  const auto refuse_with = [&](Refusal refusal) { out_.proposals.push_back({event.id, refusal}); };
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->voted_out) return refuse_with(Refusal::kNotLeader);
  if (leader->handover) return refuse_with(Refusal::kTransferring);
  if (!leader->confirmed) return refuse_with(Refusal::kNotReady);
  const MemberId target = event.target.is_zero() ? best_prepared(*leader) : event.target;
  if (!may_lead(*leader, target)) return refuse_with(Refusal::kBadTarget);
  leader->handover = Handover{target, now_ + options_.election_timeout_min};
  report(TransferStarted{target});
  out_.proposals.push_back({event.id, log_.last()});
  tell_target(*leader);
}

bool Core::Impl::may_lead(const Leader& leader, MemberId id) const {
  const auto& voters = configuration().voters;
  if (id == options_.self || !std::binary_search(voters.begin(), voters.end(), id)) return false;
  const auto peer = leader.peers.find(id);
  return peer != leader.peers.end() &&
         now_ - peer->second.heard_at() < options_.election_timeout_min;
}

MemberId Core::Impl::best_prepared(const Leader& leader) const {
  MemberId best;
  Index match;
  for (const auto& [id, peer] : leader.peers) {
    if (!may_lead(leader, id) || (!best.is_zero() && peer.match() <= match)) continue;
    best = id;
    match = peer.match();
  }
  return best;
}

// Also at every heartbeat, for the message may be lost.
void Core::Impl::tell_target(Leader& leader) {
  const auto peer = leader.peers.find(leader.handover->target);
  if (peer == leader.peers.end() || peer->second.match() < log_.last_index()) return;
  leader.lease_void = true;
  send(leader.handover->target, term(), TimeoutNow{});
}

void Core::Impl::end_handover(Leader& leader) {
  report(TransferFailed{leader.handover->target});
  leader.handover.reset();
  finish_change(leader);
}

}  // namespace coord::raft

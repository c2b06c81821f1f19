// Linearizable reads without the log (Raft §6.4).
#include <algorithm>
#include <iterator>
#include <utility>

#include "raft/core/impl.h"

namespace coord::raft {

namespace {
// Rounds whose start is remembered for the lease. Older ones lie, unless a thousand rounds fit into
// a round trip, further back than a lease reaches.
constexpr std::size_t kRoundStartsMax = 1024;
}  // namespace

void Core::Impl::on(const Read& event) {
  const bool taken = [&] {
    if (Leader* leader = std::get_if<Leader>(&role_)) {
      return leader->reads.add({options_.self, event.id});
    }
    return asked_reads_.add(event.id, now_ + options_.election_timeout_max);
  }();
  if (!taken) out_.reads.push_back({event.id, Refusal::kOverloaded});
}

void Core::Impl::on(const Message& message, const ReadIndexRequest& request) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || !leader->reads.add({message.from, request.id})) {
    reply(message, ReadIndexReply{request.id, false, {}});
  }
}

void Core::Impl::on(const Message& message, const ReadIndexReply& reply) {
  for (const ReadId id : asked_reads_.answered(message.from, reply.id)) {
    if (reply.granted) {
      out_.reads.push_back({id, reply.index});
    } else {
      out_.reads.push_back({id, Refusal::kLostLeader});
    }
  }
}

void Core::Impl::start_read_round(Leader& leader) {
  // Before its first commit a leader may not know of everything that is committed (Raft §6.4).
  if (!leader.confirmed || !leader.reads.want_round()) return;
  if (const auto end = lease_end(leader); end && now_ < *end) {
    answer(leader.reads.take_waiting(commit_));
    return;
  }
  begin_round(leader);
  leader.reads.start(leader.round, commit_);
  for (auto& [id, peer] : leader.peers) {
    if (configuration().is_voter(id)) send_heartbeat(leader, id, peer, leader.round);
  }
  // A cluster of one is its own majority.
  count_acknowledgements(leader);
}

Round Core::Impl::quorum_round(const Leader& leader) const {
  return reached_by_quorum(configuration(), Round{}, [&](MemberId id) {
    const auto peer = leader.peers.find(id);
    return peer == leader.peers.end() ? leader.round : peer->second.acknowledged();
  });
}

void Core::Impl::count_acknowledgements(Leader& leader) {
  if (!leader.confirmed || leader.reads.size() == 0) return;
  answer_reads(leader, quorum_round(leader));
}

void Core::Impl::begin_round(Leader& leader) {
  ++leader.round;
  if (!options_.lease_reads) return;
  leader.round_starts.push_back({leader.round, now_});
  if (leader.round_starts.size() > kRoundStartsMax) leader.round_starts.pop_front();
}

// Whoever acknowledged a round has promised, from when it heard of it and so at the earliest from
// when it was started, not to help another leader to power for an election timeout (Raft §6.4.1).
std::optional<Instant> Core::Impl::lease_end(const Leader& leader) const {
  if (!options_.lease_reads || leader.lease_void) return std::nullopt;
  const auto& starts = leader.round_starts;
  const auto behind = std::upper_bound(
      starts.begin(), starts.end(), quorum_round(leader),
      [](Round round, const Leader::RoundStart& start) { return round < start.round; });
  if (behind == starts.begin()) return std::nullopt;
  const Duration lease =
      options_.election_timeout_min * (100 - options_.clock_drift_percent_max) / 100;
  return std::prev(behind)->at + lease;
}

void Core::Impl::answer_reads(Leader& leader, Round round) {
  for (const LeaderReads::Ready& ready : leader.reads.acknowledged(round)) answer(ready);
}

void Core::Impl::answer(const LeaderReads::Ready& ready) {
  for (const LeaderReads::Asker& asker : ready.askers) {
    if (asker.member == options_.self) {
      out_.reads.push_back({asker.id, ready.index});
    } else {
      send(asker.member, term(), ReadIndexReply{asker.id, true, ready.index});
    }
  }
}

void Core::Impl::refuse_reads(Leader& leader) {
  for (const LeaderReads::Asker& asker : leader.reads.drain()) {
    if (asker.member == options_.self) {
      out_.reads.push_back({asker.id, Refusal::kLostLeader});
    } else {
      send(asker.member, term(), ReadIndexReply{asker.id, false, {}});
    }
  }
}

void Core::Impl::ask_leader_for_reads() {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader.is_zero() || follower->unreachable) return;
  if (const std::optional<ReadId> request = asked_reads_.ask(follower->leader)) {
    send(follower->leader, term(), ReadIndexRequest{*request});
  }
}

void Core::Impl::expire_asked_reads() {
  for (const AskedReads::Expired& read : asked_reads_.expired(now_)) {
    out_.reads.push_back({read.id, read.was_asked ? Refusal::kLostLeader : Refusal::kNoLeader});
  }
}

void Core::Impl::take_over_asked_reads(Leader& leader) {
  for (const ReadId id : asked_reads_.drain()) {
    if (!leader.reads.add({options_.self, id})) {
      out_.reads.push_back({id, Refusal::kOverloaded});
    }
  }
}

}  // namespace coord::raft

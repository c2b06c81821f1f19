#include "raft/core/fingerprint.h"

#include <cstring>

#include "raft/core/impl.h"

namespace coord::raft {

void Fingerprint::add_text(std::string_view bytes) {
  add(bytes.size());
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), size);
    add(word);
    bytes.remove_prefix(size);
  }
}

void Fingerprint::add(const Entry& entry) {
  add(entry.id);
  add(static_cast<std::uint64_t>(entry.type));
  add_text(entry.payload.view());
}

void MemoryLog::add_to(Fingerprint& fingerprint) const {
  fingerprint.add(base_);
  fingerprint.add(entries_.size());
  for (const Entry& entry : entries_) fingerprint.add(entry);
}

void Configurations::add_to(Fingerprint& fingerprint) const {
  fingerprint.add(entries_.size());
  for (const Entry& entry : entries_) {
    fingerprint.add(entry.index);
    fingerprint.add_text(encode(entry.configuration).view());
  }
}

void Durability::add_to(Fingerprint& fingerprint) const {
  for (const Index index : {durable_, in_state_, submitted_, disk_last_}) fingerprint.add(index);
  fingerprint.add(hard_state_.term);
  fingerprint.add(hard_state_.vote);
  fingerprint.add(reset_to_);
  fingerprint.add(batches_.size());
  for (const Batch& batch : batches_) {
    fingerprint.add(last_ticket_ - batch.ticket);
    fingerprint.add(batch.through);
    fingerprint.add_since(batch.since);
  }
}

void Progress::add_to(Fingerprint& fingerprint) const {
  fingerprint.add(match_);
  fingerprint.add(next_);
  fingerprint.add(static_cast<std::uint64_t>(mode_));
  fingerprint.add(std::uint64_t{paused_});
  fingerprint.add(strides_);
  fingerprint.add(inflight_.size());
  for (const Append& append : inflight_) {
    fingerprint.add(append.last);
    fingerprint.add(append.bytes);
  }
  fingerprint.add(snapshot_);
  fingerprint.add(snapshot_size_);
  fingerprint.add(std::uint64_t{snapshot_whole_});
  fingerprint.add_since(no_snapshot_before_);
  fingerprint.add(acknowledged_);
  fingerprint.add(commit_told_);
  fingerprint.add_since(heard_at_);
  fingerprint.add(std::uint64_t{heard_yet_});
  fingerprint.add_since(moved_at_);
  fingerprint.add(round_end_);
  fingerprint.add_since(round_since_);
  fingerprint.add(std::uint64_t{round_was_short_});
  fingerprint.add(std::uint64_t{append_sent});
  fingerprint.add(static_cast<std::uint64_t>(heartbeats_skipped));
  fingerprint.add(std::uint64_t{leaving_since.has_value()});
  if (leaving_since) fingerprint.add_since(*leaving_since);
}

void LeaderReads::add_to(Fingerprint& fingerprint) const {
  const auto add = [&](const std::vector<Asker>& askers) {
    fingerprint.add(askers.size());
    for (const Asker& asker : askers) {
      fingerprint.add(asker.member);
      fingerprint.add(asker.id);
    }
  };
  add(waiting_);
  fingerprint.add(rounds_.size());
  for (const Started& started : rounds_) {
    fingerprint.add(started.round);
    fingerprint.add(started.reads.index);
    add(started.reads.askers);
  }
}

void AskedReads::add_to(Fingerprint& fingerprint) const {
  fingerprint.add(next_request_);
  fingerprint.add(reads_.size());
  for (const Asked& read : reads_) {
    fingerprint.add(read.id);
    fingerprint.add_until(read.deadline);
    fingerprint.add(read.request);
    fingerprint.add(read.leader);
  }
}

namespace {

class RoleFingerprint {
 public:
  RoleFingerprint(Fingerprint& fingerprint, Ticket newest)
      : fingerprint_(fingerprint), newest_(newest) {}

  void operator()(const Follower& follower) {
    fingerprint_.add(follower.leader);
    fingerprint_.add(std::uint64_t{follower.heard.has_value()});
    if (follower.heard) fingerprint_.add_since(*follower.heard);
    fingerprint_.add(std::uint64_t{follower.unreachable});
    fingerprint_.add_until(follower.deadline);
    fingerprint_.add(static_cast<std::uint64_t>(follower.hurried_tries));
  }
  void operator()(const PreCandidate& candidate) { campaigner(candidate); }
  void operator()(const Candidate& candidate) {
    campaigner(candidate);
    fingerprint_.add(newest_ - candidate.own_vote);
  }
  void operator()(const Leader& leader) {
    fingerprint_.add(leader.peers.size());
    for (const auto& [id, peer] : leader.peers) {
      fingerprint_.add(id);
      peer.add_to(fingerprint_);
    }
    fingerprint_.add(leader.first_of_term);
    fingerprint_.add(std::uint64_t{leader.confirmed});
    fingerprint_.add(leader.round);
    leader.reads.add_to(fingerprint_);
    fingerprint_.add_until(leader.heartbeat_due);
    fingerprint_.add(leader.handover ? leader.handover->target : MemberId{});
    if (leader.handover) fingerprint_.add_until(leader.handover->deadline);
    fingerprint_.add(std::uint64_t{leader.voted_out});
    fingerprint_.add(leader.round_starts.size());
    for (const Leader::RoundStart& start : leader.round_starts) {
      fingerprint_.add(start.round);
      fingerprint_.add_since(start.at);
    }
    fingerprint_.add(std::uint64_t{leader.lease_void});
    fingerprint_.add(leader.uncommitted_bytes);
  }

 private:
  template <class Campaigner>
  void campaigner(const Campaigner& candidate) {
    fingerprint_.add(candidate.votes.size());
    for (const auto& [id, granted] : candidate.votes) {
      fingerprint_.add(id);
      fingerprint_.add(std::uint64_t{granted});
    }
    fingerprint_.add_until(candidate.deadline);
    fingerprint_.add(static_cast<std::uint64_t>(candidate.hurried_tries));
  }

  Fingerprint& fingerprint_;
  Ticket newest_;
};

}  // namespace

std::uint64_t Core::Impl::fingerprint() const {
  CHECK(out_.empty(), "the output was not taken");
  // The longest that anything looks back: the farewell of members that left.
  Fingerprint fingerprint(now_, options_.election_timeout_max * kFarewellTimeouts);
  // Draws from a range of one value do not depend on the generator.
  if (options_.election_timeout_max - options_.election_timeout_min > Duration(1) ||
      options_.closed_delay_max > options_.closed_delay_min) {
    fingerprint.add(prng_.state());
  }
  fingerprint.add(hard_state_.term);
  fingerprint.add(hard_state_.vote);
  configurations_.add_to(fingerprint);
  fingerprint.add(std::uint64_t{was_member_});
  fingerprint.add(std::uint64_t{removed_});
  log_.add_to(fingerprint);
  durability_.add_to(fingerprint);
  for (const Index index : {commit_, handed_out_, applied_, log_first_, held_by_all_}) {
    fingerprint.add(index);
  }
  fingerprint.add(std::uint64_t{installing_.has_value()});
  if (installing_) {
    fingerprint.add(installing_->last);
    fingerprint.add_text(encode(installing_->configuration).view());
  }
  fingerprint.add_until(promised_until_);
  fingerprint.add(role_.index());
  std::visit(RoleFingerprint(fingerprint, durability_.newest()), role_);
  asked_reads_.add_to(fingerprint);
  fingerprint.add(loading_.size());
  for (const MemberId id : loading_) fingerprint.add(id);
  return fingerprint.value();
}

}  // namespace coord::raft

// What a member's driver calls, what clients call, and what time it is there.
#include <algorithm>

#include "raft/core/describe.h"
#include "tests/sim/member.h"

namespace coord::sim {

// -------------------------------------------------------------------------------------------------
// What the driver calls

void Member::send(std::vector<raft::Message> messages) {
  for (const raft::Message& message : messages) {
    checker_.leaves(message, node_->core());
    ++stage_.messages;
    if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
      if (append->entries.empty()) stage_.reached(Situation::kProbeWhileReplicating);
    } else if (const auto* reply = std::get_if<raft::AppendReply>(&message.body)) {
      if (!reply->accepted) stage_.reached(Situation::kAppendRejected);
    } else if (const auto* vote = std::get_if<raft::VoteReply>(&message.body)) {
      if (vote->pre_vote && !vote->granted) stage_.reached(Situation::kPreVoteRefused);
    }
  }
  observer_.on_send(*this, std::move(messages));
}

void Member::apply(std::span<const raft::Entry> entries) {
  checker_.knows_committed(id_, node_->term(), node_->core().commit(),
                           node_->status().configuration);
  for (const raft::Entry& entry : entries) {
    if (entry.id.index != state_.applied().index.next()) {
      violated("member {} is to apply {} after {}", id_, entry.id, state_.applied());
    }
    const State::Applied applied = state_.apply(entry);
    checker_.applied(id_, entry, state_);
    observer_.on_applied(*this, entry.id, applied.answer);
  }
}

void Member::on_fact(const raft::Fact& fact) {
  if (stage_.trace.has_words()) stage_.tell("[{}]   {}", id_, raft::describe(fact));
  if (const auto* leader = std::get_if<raft::BecameLeader>(&fact)) {
    checker_.leads(id_, leader->term);
    observer_.on_leads(*this, leader->term);
    if (before_.configuration.is_joint()) stage_.reached(Situation::kJointElection);
  } else if (const auto* down = std::get_if<raft::SteppedDown>(&fact)) {
    const bool told = node_->term() != down->term;
    if (!told && !node_->status().configuration.is_voter(id_)) {
      stage_.reached(Situation::kLeaderVotedOut);
      return;
    }
    stage_.reached(down->quorum_lost ? Situation::kQuorumLost
                   : told            ? Situation::kOldLeaderTold
                                     : Situation::kDiskTooSlowToLead);
  } else if (std::holds_alternative<raft::Truncated>(fact)) {
    stage_.reached(Situation::kLogTruncated);
  } else if (const auto* taken = std::get_if<raft::SnapshotTaken>(&fact)) {
    if (taken->kept) stage_.reached(Situation::kSnapshotAmidAppends);
  } else if (std::holds_alternative<raft::TransferFailed>(fact)) {
    stage_.reached(Situation::kTransferFailed);
  } else if (const auto* refused = std::get_if<raft::MessageRefused>(&fact)) {
    // Answers of those who were members may still come.
    if (refused->reason == raft::MessageRefused::Reason::kUnknownSender) return;
    violated("member {} {}", id_, raft::describe(fact));
  } else if (std::holds_alternative<raft::Removed>(fact)) {
    stage_.reached(Situation::kRemovedMemberTold);
    removed_ = true;
  }
}

Result<raft::LogId> Member::propose(Bytes command) {
  auto place = node_->propose(std::move(command));
  look(1);
  request_turn();
  return place;
}

Result<raft::LogId> Member::change(raft::Configuration target) {
  auto place = node_->change_configuration(std::move(target));
  look(1);
  request_turn();
  return place;
}

Status Member::transfer(MemberId target) {
  Status accepted = node_->transfer_leadership(target);
  look(1);
  request_turn();
  return accepted;
}

bool Member::may_read_under_lease() const {
  return node_ && before_.role == raft::RoleName::kLeader && before_.lease_end &&
         local() < *before_.lease_end;
}

void Member::read_gate(std::function<void(Status)> done) {
  node_->read_gate(std::move(done));
  ++stage_.events;
  request_turn();
}

// -------------------------------------------------------------------------------------------------
// Clocks

void Member::steady_clock() {
  clock_offset_ = local().time_since_epoch() - stage_.now.time_since_epoch();
  clock_rate_ = 1000;
  wake_at_.reset();
  if (node_ && !paused_) schedule_wake();
}

Instant Member::local() const {
  return Instant(clock_offset_ + stage_.now.time_since_epoch() * clock_rate_ / 1000);
}

Instant Member::global(Instant local) const {
  const Duration since = local.time_since_epoch() - clock_offset_;
  // Rounded up, so that the clock shows at least that time then.
  const Instant at((since * 1000 + Duration(clock_rate_ - 1)) / clock_rate_);
  return std::max(stage_.now, at);
}

std::uint64_t Member::wall_clock() const {
  const Duration wall = local().time_since_epoch() + wall_offset_ + seconds(1'000'000);
  return static_cast<std::uint64_t>(wall.count());
}

}  // namespace coord::sim

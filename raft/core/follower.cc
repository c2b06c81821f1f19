// What a member does with what a leader tells it (Raft §3.5).
#include <algorithm>
#include <utility>

#include "raft/core/impl.h"

namespace coord::raft {

bool Core::Impl::follow(const Message& message) {
  // Two leaders of one term cannot be; whoever says so is not one of us.
  if (std::holds_alternative<Leader>(role_)) return false;
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower != nullptr && !follower->leader.is_zero() && follower->leader != message.from) {
    return false;
  }
  if (options_.lease_reads) promised_until_ = now_ + options_.election_timeout_min;
  if (follower == nullptr) {
    become_follower(term(), message.from);
    return true;
  }
  if (follower->leader.is_zero()) {
    follower->leader = message.from;
    report(LeaderLearned{term(), message.from});
  }
  follower->heard = now_;
  follower->unreachable = false;
  follower->deadline = draw_election_deadline();
  follower->hurried_tries = 0;
  return true;
}

void Core::Impl::on(const Message& message, const Heartbeat& request) {
  // A leader sends a commit index only as far as we have acknowledged its log.
  if (request.commit > log_.last_index() || !follow(message)) {
    refuse(message, Reason::kMalformed);
    return;
  }
  advance_commit(request.commit);
  held_by_all_ = std::max(held_by_all_, request.held_by_all);
  if (!request.round.is_zero()) reply(message, HeartbeatReply{request.round});
}

void Core::Impl::on(const Message& message, AppendRequest& request) {
  if (!is_well_formed(message, request) || !follow(message)) {
    refuse(message, Reason::kMalformed);
    return;
  }
  // Up to the commit index every log is the same, so there is nothing to compare.
  // Entries for which there is no room are taken for lost, as any message may be (Raft §3.5), and
  // so is what follows them: a rejection would bring them back at once. The leader sends them again
  // when nothing has come of them for a while, and its other followers go on meanwhile. Those that
  // contradict ours make room.
  const bool full = log_is_full() && !request.entries.empty();
  if (full && request.previous.index > log_.last_index()) return;
  if (request.previous.index > commit_ && !log_.matches(request.previous)) {
    reject_append(message, request);
    return;
  }
  const Index through = request.previous.index + request.entries.size();
  // Entries are only taken off the log where they contradict the leader's, not because an append
  // ends before them: it may be an old one (Raft §3.5).
  const auto conflict =
      std::find_if(request.entries.begin(), request.entries.end(), [&](const Entry& entry) {
        return entry.id.index > log_.last_index() ||
               (entry.id.index > log_.base().index && !log_.matches(entry.id));
      });
  if (conflict != request.entries.end()) {
    // Below the base nothing could be compared, so that even the order of terms may be a lie.
    if (conflict->id.index <= commit_ ||
        conflict->id.term < log_.term_at(conflict->id.index.prev())) {
      refuse(message, Reason::kMalformed);
      return;
    }
    if (full && conflict->id.index > log_.last_index()) return;
    store_entries(request, conflict->id.index);
  }
  // Not simply the leader's commit index: entries of ours after this append's end were not
  // compared.
  advance_commit(std::min(request.commit, through));
  send_when_durable(
      message.from,
      AppendReply{
          .accepted = true, .match = through, .rejected = {}, .hint = {}, .round = request.round});
}

bool Core::Impl::is_well_formed(const Message& message, const AppendRequest& request) const {
  if (request.previous.index.value() >= kBeyondAllIndexes) return false;
  if (request.previous.index.is_zero() != request.previous.term.is_zero()) return false;
  LogId last = request.previous;
  for (const Entry& entry : request.entries) {
    if (entry.type == EntryType::kConfiguration && !decode_configuration(entry.payload.span())) {
      return false;
    }
    if (entry.id.index != last.index.next() || entry.id.term < last.term) return false;
    if (entry.id.term.is_zero()) return false;
    last = entry.id;
  }
  return last.term <= message.term;
}

void Core::Impl::store_entries(AppendRequest& request, Index first_new) {
  bool changed = false;
  if (first_new <= log_.last_index()) {
    log_.truncate_from(first_new);
    durability_.truncated(first_new);
    report(Truncated{first_new});
    changed = configurations_.truncate_from(first_new);
  }
  for (Entry& entry : request.entries) {
    if (entry.id.index < first_new) continue;
    if (entry.type == EntryType::kConfiguration) {
      configurations_.append(entry.id.index, *decode_configuration(entry.payload.span()));
      changed = true;
    }
    log_.append(std::move(entry));
  }
  if (changed) configuration_changed();
}

void Core::Impl::reject_append(const Message& message, const AppendRequest& request) {
  // Above this the leader's log cannot agree with ours: its entries at and before `previous` have
  // no term above previous.term. The commit index is a floor, for there every log agrees.
  LogId hint = log_.newest_not_above(request.previous.index, request.previous.term);
  if (hint.index < commit_) hint = {*log_.term_at(commit_), commit_};
  reply(message, AppendReply{.accepted = false,
                             .match = {},
                             .rejected = request.previous.index,
                             .hint = hint,
                             .round = request.round});
}

}  // namespace coord::raft

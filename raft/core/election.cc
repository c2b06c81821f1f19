// Elections (Raft §3.4), with PreVote (Raft §9.6) and leader stickiness (Raft §4.2.3).
#include <algorithm>
#include <utility>

#include "raft/core/impl.h"

namespace coord::raft {

void Core::Impl::on(const Message& message, const VoteRequest& request) {
  if (request.pre_vote) {
    answer_pre_vote(message, request);
    return;
  }
  // The vote for the same candidate is granted again: the first answer may have been lost. With a
  // leader known the term is decided, and this member's vote could only have been for it.
  // Nor has a term that rose, by whatever message, ended what the leader before was promised (Raft
  // §6.4.1).
  const bool free = hard_state_.vote.is_zero() && leader().is_zero() &&
                    (request.transfer || now_ >= promised_until_);
  const bool granted = (free || hard_state_.vote == message.from) && is_up_to_date(request.last);
  if (!granted) {
    reply(message, VoteReply{.pre_vote = false, .granted = false});
    return;
  }
  if (!std::holds_alternative<Follower>(role_)) become_follower(term(), {});
  set_hard_state(term(), message.from);
  // Only a granted vote restarts the wait (Raft §3.4); a campaign that fails delays nobody.
  if (Follower* follower = std::get_if<Follower>(&role_); follower->leader.is_zero()) {
    follower->deadline = draw_election_deadline();
    follower->hurried_tries = 0;
  }
  // Told only when it cannot be forgotten any more (Raft §3.8).
  send_when_durable(message.from, VoteReply{.pre_vote = false, .granted = true});
}

void Core::Impl::answer_pre_vote(const Message& message, const VoteRequest& request) {
  const bool granted = message.term > term() && !sticks_to_leader() && is_up_to_date(request.last);
  // A grant names the term that was asked for, or a candidate that is ahead would take it for one
  // of the past; a refusal names ours, so that a candidate that is behind catches up.
  send(message.from, granted ? message.term : term(),
       VoteReply{.pre_vote = true, .granted = granted});
}

void Core::Impl::on(const Message& message, const VoteReply& reply) {
  if (!configuration().is_voter(message.from)) return;
  if (reply.pre_vote) {
    PreCandidate* candidate = std::get_if<PreCandidate>(&role_);
    if (candidate == nullptr) return;
    if (reply.granted && message.term != term().next()) return;
    candidate->votes[message.from] = reply.granted;
    check_pre_vote();
  } else if (Candidate* candidate = std::get_if<Candidate>(&role_)) {
    // settle_term() let only replies of this very term through.
    candidate->votes[message.from] = reply.granted;
    check_election();
  }
}

void Core::Impl::on(const Message& message, const TimeoutNow&) {
  const Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != message.from) return;
  if (!may_campaign()) return;
  campaign(/*transfer=*/true, /*hurried_tries=*/0);
}

bool Core::Impl::sticks_to_leader() const {
  if (now_ < promised_until_) return true;
  if (const Follower* follower = std::get_if<Follower>(&role_)) {
    return !follower->leader.is_zero() && follower->heard &&
           now_ - *follower->heard < options_.election_timeout_min;
  }
  // CheckQuorum ends a leadership that nobody hears; until then it is one.
  return std::holds_alternative<Leader>(role_);
}

void Core::Impl::become_follower(Term term, MemberId leader, Loss loss) {
  const bool was_follower = std::holds_alternative<Follower>(role_);
  const Term deposed_term = this->term();
  const bool new_term = term > deposed_term;
  if (new_term) {
    set_hard_state(term, {});
  }
  if (Leader* deposed = std::get_if<Leader>(&role_)) {
    report(SteppedDown{.term = deposed_term, .quorum_lost = loss == Loss::kQuorum});
    refuse_reads(*deposed);
    for (const auto& [id, peer] : deposed->peers) {
      if (peer.in_snapshot()) out_.transfers.push_back({.peer = id, .wanted = false});
    }
  }
  asked_reads_.forget_asking();
  Follower follower;
  follower.leader = leader;
  if (!leader.is_zero()) follower.heard = now_;
  follower.deadline = draw_election_deadline();
  role_ = follower;
  if (!was_follower || new_term) report(BecameFollower{term, leader});
  if (!leader.is_zero()) report(LeaderLearned{term, leader});
}

void Core::Impl::election_timeout() {
  int hurried_tries = 0;
  if (const auto* follower = std::get_if<Follower>(&role_)) {
    hurried_tries = follower->hurried_tries;
  } else if (const auto* pre_candidate = std::get_if<PreCandidate>(&role_)) {
    hurried_tries = std::max(0, pre_candidate->hurried_tries - 1);
  } else if (const auto* candidate = std::get_if<Candidate>(&role_)) {
    hurried_tries = std::max(0, candidate->hurried_tries - 1);
  }
  start_pre_vote(hurried_tries);
}

void Core::Impl::start_pre_vote(int hurried_tries) {
  asked_reads_.forget_asking();
  PreCandidate candidate;
  candidate.votes[options_.self] = true;
  candidate.deadline = draw_election_deadline();
  candidate.hurried_tries = hurried_tries;
  role_ = std::move(candidate);
  report(BecamePreCandidate{term()});
  ask_for_votes({.pre_vote = true, .transfer = false, .last = log_.last()}, term().next(),
                /*when_durable=*/false);
  check_pre_vote();
}

void Core::Impl::check_pre_vote() {
  PreCandidate& candidate = std::get<PreCandidate>(role_);
  if (count_votes(configuration(), candidate.votes) == VoteResult::kWon) {
    campaign(/*transfer=*/false, candidate.hurried_tries);
  } else {
    hurry_after_refusal(candidate);
  }
}

void Core::Impl::campaign(bool transfer, int hurried_tries) {
  asked_reads_.forget_asking();
  set_hard_state(term().next(), options_.self);
  Candidate candidate;
  candidate.deadline = draw_election_deadline();
  candidate.hurried_tries = hurried_tries;
  // The term is new, so there is something to wait for.
  candidate.own_vote = durability_.barrier(log_, hard_state_).value();
  role_ = std::move(candidate);
  report(BecameCandidate{term()});
  ask_for_votes({.pre_vote = false, .transfer = transfer, .last = log_.last()}, term(),
                /*when_durable=*/true);
}

void Core::Impl::check_election() {
  Candidate& candidate = std::get<Candidate>(role_);
  if (count_votes(configuration(), candidate.votes) == VoteResult::kWon) {
    become_leader();
  } else {
    hurry_after_refusal(candidate);
  }
}

template <class Campaigner>
void Core::Impl::hurry_after_refusal(Campaigner& campaigner) {
  if (campaigner.hurried_tries == 0) return;
  const bool refused = std::any_of(campaigner.votes.begin(), campaigner.votes.end(),
                                   [](const auto& vote) { return !vote.second; });
  if (refused) campaigner.deadline = std::min(campaigner.deadline, draw_closed_deadline());
}

void Core::Impl::become_leader() {
  Leader leader(limits::kReadsWaitingMax);
  const Progress::Window window{options_.inflight_appends_max, options_.inflight_bytes_max};
  for (const MemberId member : configuration().members()) {
    if (member == options_.self) continue;
    leader.peers.emplace(member, Progress(log_.last_index().next(), window, now_));
  }
  // Whoever leaves by a configuration that is not committed yet has to be told so by us.
  for (const MemberId member : configurations_.members_since(commit_)) {
    if (member == options_.self || configuration().contains(member)) continue;
    Progress leaving(log_.last_index().next(), window, now_);
    leaving.leaving_since = now_;
    leader.peers.emplace(member, std::move(leaving));
  }
  for (Index i = commit_.next(); i <= log_.last_index(); ++i) {
    leader.uncommitted_bytes += cost_of(log_.at(i));
  }
  leader.first_of_term = log_.last_index().next();
  leader.heartbeat_due = now_ + options_.heartbeat_interval;
  take_over_asked_reads(leader);
  role_ = std::move(leader);
  report(BecameLeader{term()});
  // Commits what earlier leaders left, and lets reads begin (Raft §3.6.2, §6.4).
  append_as_leader(EntryType::kNoop, {});
}

void Core::Impl::set_hard_state(Term term, MemberId vote) {
  hard_state_ = {term, vote};
  // Promises made in a term that is over help nobody, and merged into one batch with what came
  // after them they might not even have been durable at any time.
  std::erase_if(out_.held, [&](const HeldMessage& held) { return held.message.term < term; });
}

void Core::Impl::ask_for_votes(const VoteRequest& request, Term term, bool when_durable) {
  for (const MemberId member : configuration().members()) {
    if (member == options_.self || !configuration().is_voter(member)) continue;
    if (when_durable) {
      send_when_durable(member, request);
    } else {
      send(member, term, request);
    }
  }
}

Instant Core::Impl::draw_election_deadline() {
  const auto low = static_cast<std::uint64_t>(options_.election_timeout_min.count());
  const auto high = static_cast<std::uint64_t>(options_.election_timeout_max.count());
  return now_ + Duration(static_cast<Duration::rep>(low + prng_.below(high - low)));
}

Instant Core::Impl::draw_closed_deadline() {
  const auto low = static_cast<std::uint64_t>(options_.closed_delay_min.count());
  const auto high = static_cast<std::uint64_t>(options_.closed_delay_max.count());
  return now_ + Duration(static_cast<Duration::rep>(prng_.between(low, high)));
}

}  // namespace coord::raft

#include "raft/core/core.h"

#include <algorithm>
#include <utility>

#include "raft/base/check.h"
#include "raft/core/impl.h"

namespace coord::raft {

namespace {

// A request's name must not be one of this member's former lives. Seeds that are drawn anew at
// every start see to it; should the seed be fixed, the clock and the log differ.
ReadId first_request_name(const CoreOptions& options, const Restored& restored, Instant now) {
  Prng mix(options.seed);
  mix = Prng(mix.next() ^ static_cast<std::uint64_t>(now.time_since_epoch().count()));
  mix = Prng(mix.next() ^ restored.hard_state.term.value());
  mix = Prng(mix.next() ^ restored.applied.index.value() ^ restored.entries.size());
  return ReadId((mix.next() >> 2) + 1);
}

}  // namespace

Core::Impl::Impl(CoreOptions options, Restored restored, Instant now)
    : options_(options),
      prng_(options.seed),
      now_(now),
      hard_state_(restored.hard_state),
      configurations_(restored.applied.index, restored.configuration),
      was_member_(restored.configuration.contains(options.self)),
      log_(restored.applied, restored.entries),
      durability_(log_, hard_state_),
      commit_(restored.applied.index),
      handed_out_(restored.applied.index),
      applied_(restored.applied.index),
      log_first_(restored.first_index),
      promised_until_(options.lease_reads ? now + options.election_timeout_min : now),
      asked_reads_(limits::kReadsWaitingMax, first_request_name(options, restored, now)) {
  // A batch that was torn by a crash may have left its entries without its hard state. The vote
  // that was lost with it never left this member, so there is none in that term.
  if (hard_state_.term < log_.last().term) set_hard_state(log_.last().term, {});
  CHECK_LE(log_first_, log_.base().index.next());
  for (const Entry& entry : restored.entries) {
    if (entry.type != EntryType::kConfiguration) continue;
    auto configuration = decode_configuration(entry.payload.span());
    CHECK(configuration.has_value(), "entry {} is no configuration", entry.id);
    configurations_.append(entry.id.index, std::move(*configuration));
  }
  Follower follower;
  // Nobody else can lead a cluster of one: there is nobody to wait for, but for the end of what may
  // have been promised to somebody who led when there were more (Raft §6.4.1).
  follower.deadline =
      decides_alone(configuration(), options_.self) ? promised_until_ : draw_election_deadline();
  role_ = follower;
}

void Core::Impl::step(Instant now, Event event) {
  CHECK(now >= now_, "time went back");
  now_ = now;
  std::visit([this](auto& alternative) { on(std::move(alternative)); }, event);
  // After the event: what arrived while this process was not running counts before its timeouts do.
  if (now_ >= deadline()) run_timers();
}

template <class Question>
std::variant<LogId, Refusal> Core::Impl::ask(Instant now, Question event) {
  const std::size_t before = out_.proposals.size();
  step(now, std::move(event));
  CHECK_EQ(out_.proposals.size(), before + 1);
  const std::variant<LogId, Refusal> answer = out_.proposals.back().answer;
  out_.proposals.pop_back();
  return answer;
}

Output Core::Impl::take_output() {
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    start_read_round(*leader);
    feed_peers(*leader);
    if (leader->voted_out) go_voted_out(*leader);
  } else {
    ask_leader_for_reads();
  }
  hand_out_committed();
  out_.durable = durability_.submit(log_, hard_state_, now_);
  return std::exchange(out_, {});
}

Instant Core::Impl::deadline() const {
  struct Visitor {
    const Impl& impl;
    Instant of_voter(Instant deadline) const {
      return impl.may_campaign() ? deadline : Instant::max();
    }
    Instant operator()(const Follower& follower) const { return of_voter(follower.deadline); }
    Instant operator()(const PreCandidate& candidate) const { return of_voter(candidate.deadline); }
    Instant operator()(const Candidate& candidate) const { return of_voter(candidate.deadline); }
    Instant operator()(const Leader& leader) const {
      return leader.handover ? std::min(leader.heartbeat_due, leader.handover->deadline)
                             : leader.heartbeat_due;
    }
  };
  return std::min(std::visit(Visitor{*this}, role_), asked_reads_.deadline());
}

void Core::Impl::run_timers() {
  expire_asked_reads();
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    if (leader->handover && now_ >= leader->handover->deadline) end_handover(*leader);
    if (now_ >= leader->heartbeat_due) leader_tick(*leader);
  } else if (now_ >= deadline()) {
    election_timeout();
  }
}

void Core::Impl::on(Propose event) {
  Leader* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) {
    out_.proposals.push_back({event.id, Refusal::kNotLeader});
    return;
  }
  if (leader->handover) {
    out_.proposals.push_back({event.id, Refusal::kTransferring});
    return;
  }
  // One entry always fits, however large, or it could never be written.
  if (log_is_full() ||
      (leader->uncommitted_bytes > 0 &&
       leader->uncommitted_bytes + cost_of(event.command) > options_.uncommitted_bytes_max)) {
    out_.proposals.push_back({event.id, Refusal::kOverloaded});
    return;
  }
  append_as_leader(EntryType::kCommand, std::move(event.command));
  out_.proposals.push_back({event.id, log_.last()});
}

void Core::Impl::on(const Persisted& event) {
  durability_.persisted(event.ticket);
  if (Candidate* candidate = std::get_if<Candidate>(&role_)) {
    if (candidate->own_vote <= event.ticket) {
      candidate->votes[options_.self] = true;
      check_election();
    }
  } else if (Leader* leader = std::get_if<Leader>(&role_)) {
    count_replicas(*leader);
  }
}

void Core::Impl::on(const Applied& event) {
  CHECK_LE(event.through, handed_out_);
  applied_ = std::max(applied_, event.through);
  // What only the state has durably is still to be written.
  log_.trim(options_.cached_log_bytes_max, std::min(applied_, durability_.written()));
  configurations_.forget_before(applied_);
}

void Core::Impl::on(const PeerClosed& event) {
  if (Progress* peer = peer_of_leader(event.peer)) peer->pause();
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    // It will not take over any more.
    if (leader->handover && leader->handover->target == event.peer) end_handover(*leader);
    return;
  }
  // Reads under a lease rest on the whole election timeout.
  if (options_.lease_reads) return;
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr) return;
  // Until the candidate that has this member's vote is heard of as leader, it stands for one.
  const MemberId expected = follower->leader.is_zero() ? hard_state_.vote : follower->leader;
  if (event.peer != expected || expected == options_.self) return;
  follower->leader = {};
  follower->heard.reset();
  follower->hurried_tries = kHurriedTries;
  follower->deadline = std::min(follower->deadline, draw_closed_deadline());
  asked_reads_.forget_asking();
}

void Core::Impl::on(const PeerUnreachable& event) {
  if (Progress* peer = peer_of_leader(event.peer)) peer->pause();
  Follower* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != event.peer) return;
  follower->unreachable = true;
  asked_reads_.forget_asking();
}

void Core::Impl::on(const LogCut& event) {
  log_first_ = std::max(log_first_, event.through.index.next());
}

void Core::Impl::advance_commit(Index index) {
  if (index <= commit_) return;
  CHECK_LE(index, log_.last_index());
  if (Leader* leader = std::get_if<Leader>(&role_)) {
    for (Index i = commit_.next(); i <= index; ++i) {
      leader->uncommitted_bytes -= cost_of(log_.at(i));
    }
  }
  const Index before = std::exchange(commit_, index);
  if (configurations_.any_between(before, index)) committed_configuration(before);
  if (Leader* leader = std::get_if<Leader>(&role_)) finish_change(*leader);
}

void Core::Impl::hand_out_committed() {
  if (installing_) return;
  // Never beyond what is durable here: the state machine may be flushed with its applied index, and
  // the log must still reach there after a crash.
  const Index through = std::min(commit_, durability_.durable());
  if (through <= handed_out_) return;
  log_.copy(handed_out_.next(), through, out_.committed);
  handed_out_ = through;
}

RoleName Core::Impl::role() const {
  struct Visitor {
    RoleName operator()(const Follower&) const { return RoleName::kFollower; }
    RoleName operator()(const PreCandidate&) const { return RoleName::kPreCandidate; }
    RoleName operator()(const Candidate&) const { return RoleName::kCandidate; }
    RoleName operator()(const Leader&) const { return RoleName::kLeader; }
  };
  return std::visit(Visitor{}, role_);
}

MemberId Core::Impl::leader() const {
  if (const Follower* follower = std::get_if<Follower>(&role_)) return follower->leader;
  return std::holds_alternative<Leader>(role_) ? options_.self : MemberId{};
}

bool Core::Impl::confirmed() const {
  const Leader* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->confirmed;
}

std::optional<LogId> Core::Impl::at(Index index) const {
  const std::optional<Term> term = log_.term_at(index);
  if (!term) return std::nullopt;
  return LogId{*term, index};
}

CoreStatus Core::Impl::status() const {
  CoreStatus status{.self = options_.self,
                    .role = role(),
                    .term = term(),
                    .vote = hard_state_.vote,
                    .leader = leader(),
                    .last = log_.last(),
                    .durable = durability_.durable(),
                    .commit = commit_,
                    .applied = applied_,
                    .held_by_all = held_by_all_,
                    .confirmed = confirmed(),
                    .configuration = configuration(),
                    .configuration_index = configurations_.latest_index(),
                    .transferring_to = {},
                    .uncommitted_bytes = 0,
                    .lease_end = {},
                    .peers = {}};
  if (const Leader* leader = std::get_if<Leader>(&role_)) {
    if (leader->handover) status.transferring_to = leader->handover->target;
    status.uncommitted_bytes = leader->uncommitted_bytes;
    status.lease_end = lease_end(*leader);
    for (const auto& [id, peer] : leader->peers) {
      status.peers[id] = {.match = peer.match(),
                          .next = peer.next(),
                          .probing = peer.probing(),
                          .recently_active = peer.heard_yet() &&
                                             now_ - peer.heard_at() < options_.election_timeout_min,
                          .snapshot = peer.in_snapshot(),
                          .caught_up = peer.caught_up(now_, options_.election_timeout_min)};
    }
  }
  return status;
}

Core::Core(CoreOptions options, Restored restored, Instant now)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(restored), now)) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;
Core& Core::operator=(Core&&) noexcept = default;

void Core::step(Instant now, Event event) {
  impl_->step(now, std::move(event));
}
std::variant<LogId, Refusal> Core::propose(Instant now, Bytes command) {
  return impl_->ask(now, Propose{ProposalId{}, std::move(command)});
}
std::variant<LogId, Refusal> Core::change_configuration(Instant now, Configuration target) {
  return impl_->ask(now, ChangeConfiguration{ProposalId{}, std::move(target)});
}
std::variant<LogId, Refusal> Core::transfer_leadership(Instant now, MemberId target) {
  return impl_->ask(now, TransferLeadership{ProposalId{}, target});
}
Output Core::take_output() {
  return impl_->take_output();
}
Instant Core::deadline() const {
  return impl_->deadline();
}
CoreStatus Core::status() const {
  return impl_->status();
}
RoleName Core::role() const {
  return impl_->role();
}
Term Core::term() const {
  return impl_->term();
}
MemberId Core::leader() const {
  return impl_->leader();
}
bool Core::confirmed() const {
  return impl_->confirmed();
}
Index Core::commit() const {
  return impl_->commit();
}
std::optional<LogId> Core::at(Index index) const {
  return impl_->at(index);
}
Core::Core(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Core Core::clone() const {
  return Core(std::make_unique<Impl>(*impl_));
}
std::uint64_t Core::fingerprint() const {
  return impl_->fingerprint();
}

}  // namespace coord::raft

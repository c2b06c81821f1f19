#include "tests/raft/core/exhaustive/search.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "raft/base/check.h"
#include "raft/core/describe.h"

namespace coord::raft::exhaustive {

namespace {

std::uint64_t mix(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
  word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
  return word ^ (word >> 31);
}

std::uint64_t move_of(std::size_t place, StepKind kind, std::uint32_t argument) {
  return std::uint64_t{argument} << 16 | place << 8 | static_cast<std::uint64_t>(kind);
}

CoreOptions options_of(const Scenario& scenario, std::size_t place) {
  CoreOptions options;
  options.cluster = ClusterId(7);
  options.self = MemberId(place + 1);
  // No timeout is drawn, so that states do not differ by what was. A leader's first heartbeat goes
  // out before it has to have been heard, the second one does not.
  options.election_timeout_min = milliseconds(500);
  options.election_timeout_max = options.election_timeout_min + Duration(1);
  options.heartbeat_interval = milliseconds(499);
  options.closed_delay_max = options.closed_delay_min;
  if (scenario.small_appends) options.append_bytes_max = 1;
  return options;
}

}  // namespace

Search::Search(Scenario scenario) : scenario_(std::move(scenario)) {}

// --- What is kept once ---------------------------------------------------------------------------

Search::MemberIndex Search::keep(std::unique_ptr<Member> member) {
  const auto [word, check] = member->key();
  const auto [known, added] =
      member_index_.emplace(word, static_cast<MemberIndex>(members_.size()));
  if (added) {
    members_.push_back(std::move(member));
    member_keys_.push_back(check);
    return known->second;
  }
  if (member_keys_[known->second] == check) return known->second;
  // The core is the same and what is around it is not.
  const auto [other, other_added] =
      member_index_.emplace(mix(word + check), static_cast<MemberIndex>(members_.size()));
  if (other_added) {
    members_.push_back(std::move(member));
    member_keys_.push_back(check);
  }
  CHECK_EQ(member_keys_[other->second], check);
  return other->second;
}

Search::MessageIndex Search::keep(Message message) {
  const std::uint64_t word = word_of(message);
  const auto [known, added] =
      message_index_.emplace(word, static_cast<MessageIndex>(messages_.size()));
  if (added) {
    messages_.push_back(std::move(message));
    message_words_.push_back(word);
  }
  return known->second;
}

std::uint32_t Search::keep(Past past) {
  const auto known = std::find(pasts_.begin(), pasts_.end(), past);
  if (known != pasts_.end()) return static_cast<std::uint32_t>(known - pasts_.begin());
  pasts_.push_back(std::move(past));
  return static_cast<std::uint32_t>(pasts_.size() - 1);
}

std::uint64_t Search::hash(const State& state) const {
  std::uint64_t word = state.past;
  for (const MemberIndex member : state.members) word = mix(word) + member;
  for (const std::uint8_t left : state.left) word = mix(word) + left;
  word = mix(word);
  // In any order: they are a heap, not a queue.
  for (const MessageIndex message : state.messages) word += mix(message_words_[message]);
  return mix(word);
}

// --- Moves ---------------------------------------------------------------------------------------

const Search::Result& Search::result(const State& state, std::size_t place, StepKind kind,
                                     std::uint32_t argument) {
  const bool fast_disk = state.left[kCrashes] == 0;
  const MemberIndex member = state.members[place];
  CHECK(member < (1u << 27) && argument < (1u << 28));
  const std::uint64_t key = std::uint64_t{member} << 36 | std::uint64_t{argument} << 8 |
                            static_cast<std::uint64_t>(kind) << 1 | std::uint64_t{fast_disk};
  const auto [known, added] = results_.try_emplace(key);
  Result& result = known->second;
  if (!added) return result;
  Step step{.kind = kind, .fast_disk = fast_disk};
  if (kind == StepKind::kDeliver || kind == StepKind::kDeliverLate) {
    step.message = &messages_[argument];
  } else if (kind == StepKind::kChange) {
    step.target = &scenario_.targets[argument];
  } else if (kind == StepKind::kTransfer) {
    step.peer = MemberId(argument + 1);
  }
  Member::Outcome outcome = members_[member]->step(step);
  result.refused = outcome.refused;
  result.broken = std::move(outcome.broken);
  std::vector<MessageIndex> sent;
  for (Message& message : outcome.sent) {
    if (message.to.value() <= kMembers) sent.push_back(keep(std::move(message)));
  }
  result.member = keep(std::move(outcome.member));
  result.sent = std::move(sent);
  result.changes = result.member != member || !result.sent.empty();
  return result;
}

void Search::move(const State& state, std::size_t place, StepKind kind, std::uint32_t argument) {
  const Result& result = this->result(state, place, kind, argument);
  // What changes nothing need not be done: whatever is possible after it is possible without it.
  if (!result.changes || result.refused) return;
  if (members_[result.member]->view().status.term > scenario_.bounds.term_max) return;
  State after = state;
  after.members[place] = result.member;
  switch (kind) {
    case StepKind::kDeliver:
    case StepKind::kPersist:
      break;
    case StepKind::kDeliverLate:
      // Unless it gave its vote its own timer fired too.
      if (members_[result.member]->view().status.role == RoleName::kFollower) break;
      if (state.left[kTimeouts] == 0) return;
      --after.left[kTimeouts];
      break;
    case StepKind::kTimeout:
      --after.left[kTimeouts];
      break;
    case StepKind::kCrash:
      --after.left[kCrashes];
      break;
    case StepKind::kPropose:
      --after.left[kProposals];
      break;
    case StepKind::kChange:
      --after.left[kChanges];
      break;
    case StepKind::kTransfer:
      --after.left[kTransfers];
      break;
  }
  after.messages.insert(after.messages.end(), result.sent.begin(), result.sent.end());
  std::sort(after.messages.begin(), after.messages.end());
  after.messages.erase(std::unique(after.messages.begin(), after.messages.end()),
                       after.messages.end());
  ++transitions_;
  std::string broken = result.broken.empty() ? judge(state, after, place) : result.broken;
  if (!broken.empty() && broken_.empty()) {
    broken_ = fmt::format("member {}: {}", place + 1, broken);
    broken_at_ = {state.number, move_of(place, kind, argument)};
  }
  std::erase_if(after.messages, [&](MessageIndex message) {
    return has_no_effect_any_more(messages_[message], after);
  });
  add(std::move(after), state.number, move_of(place, kind, argument));
}

void Search::add(State state, std::uint32_t from, std::uint64_t move) {
  if (!seen_.insert(hash(state))) return;
  state.number = static_cast<std::uint32_t>(origins_.size());
  origins_.push_back({from, move});
  queue_.push_back(std::move(state));
}

// Answers to what their receiver is over with, for good: also after a crash.
bool Search::has_no_effect_any_more(const Message& message, const State& state) const {
  const View& to = view(state, message.to.value() - 1);
  const Term term = state.left[kCrashes] > 0 ? to.durable_term : to.status.term;
  const RoleName role = to.status.role;
  if (const auto* vote = std::get_if<VoteReply>(&message.body)) {
    if (vote->pre_vote) return vote->granted ? message.term <= term : message.term < term;
    return message.term < term || (message.term == term && role != RoleName::kCandidate);
  }
  if (std::holds_alternative<AppendReply>(message.body) ||
      std::holds_alternative<HeartbeatReply>(message.body)) {
    const bool may_lead = role == RoleName::kLeader || role == RoleName::kCandidate;
    return message.term < term || (message.term == term && !may_lead);
  }
  return std::holds_alternative<TimeoutNow>(message.body) && message.term < term;
}

void Search::deliveries(const State& state) {
  for (const MessageIndex index : state.messages) {
    const Message& message = messages_[index];
    const std::size_t place = message.to.value() - 1;
    move(state, place, StepKind::kDeliver, index);
    if (std::holds_alternative<VoteRequest>(message.body)) {
      const CoreStatus& status = view(state, place).status;
      const bool hears_a_leader = status.role == RoleName::kFollower && !status.leader.is_zero();
      const Instant deadline = members_[state.members[place]]->core().deadline();
      if (hears_a_leader && deadline != Instant::max()) {
        move(state, place, StepKind::kDeliverLate, index);
      }
    }
  }
}

void Search::expand(const State& state) {
  for (std::size_t place = 0; place < kMembers; ++place) {
    const CoreStatus& status = view(state, place).status;
    const bool leads = status.role == RoleName::kLeader;
    const bool may_go_on = leads || status.term < scenario_.bounds.term_max;
    const bool is_first = scenario_.symmetric && state.number == 0 && place > 0;
    if (state.left[kTimeouts] > 0 && may_go_on && !is_first &&
        members_[state.members[place]]->core().deadline() != Instant::max()) {
      move(state, place, StepKind::kTimeout, 0);
    }
    if (view(state, place).has_unpersisted) move(state, place, StepKind::kPersist, 0);
    if (state.left[kCrashes] > 0) move(state, place, StepKind::kCrash, 0);
    if (!leads) continue;
    if (state.left[kProposals] > 0) move(state, place, StepKind::kPropose, 0);
    for (std::uint32_t i = 0; state.left[kChanges] > 0 && i < scenario_.targets.size(); ++i) {
      move(state, place, StepKind::kChange, i);
    }
    for (std::uint32_t peer = 0; state.left[kTransfers] > 0 && peer < kMembers; ++peer) {
      if (peer != place) move(state, place, StepKind::kTransfer, peer);
    }
  }
  deliveries(state);
}

// --- The search ----------------------------------------------------------------------------------

Search::State Search::begin() {
  State state;
  for (std::size_t place = 0; place < kMembers; ++place) {
    state.members[place] =
        keep(std::make_unique<Member>(options_of(scenario_, place), scenario_.disks[place]));
  }
  const auto step = [&](std::size_t place, StepKind kind, std::uint32_t argument) {
    const Result& result = this->result(state, place, kind, argument);
    state.members[place] = result.member;
    state.messages.insert(state.messages.end(), result.sent.begin(), result.sent.end());
  };
  // An election, and two heartbeats: by then a leader knows who has caught up.
  for (int i = 0; i < 3 && scenario_.with_leader; ++i) {
    step(0, StepKind::kTimeout, 0);
    while (!state.messages.empty()) {
      const MessageIndex message = state.messages.front();
      state.messages.erase(state.messages.begin());
      step(messages_[message].to.value() - 1, StepKind::kDeliver, message);
    }
  }
  Past past;
  past.leaders.resize(scenario_.bounds.term_max.value() + 1);
  const View& first = view(state, 0);
  if (scenario_.with_leader) {
    CHECK(first.status.role == RoleName::kLeader);
    past.leaders[first.status.term.value()] = MemberId(1);
    for (std::size_t i = 0; i < first.status.commit.value(); ++i) {
      past.committed.push_back({first.log[i], first.log_words[i], first.status.term});
    }
  }
  state.past = keep(std::move(past));
  const Bounds& bounds = scenario_.bounds;
  state.left = {bounds.timeouts, bounds.proposals, bounds.changes, bounds.crashes,
                bounds.transfers};
  return state;
}

Report Search::run(const Limits& limits) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Report report;
  add(begin(), 0, 0);
  std::uint64_t level_end = 1;
  std::uint64_t looked_at = 0;
  while (!queue_.empty() && broken_.empty()) {
    const State state = std::move(queue_.front());
    queue_.pop_front();
    if (looked_at++ == level_end) {
      ++report.depth;
      level_end = origins_.size();
    }
    expand(state);
    if (origins_.size() >= limits.states_max) break;
    if (looked_at % 1024 == 0 && seconds() >= limits.seconds_max) break;
  }
  report.complete = queue_.empty() && broken_.empty();
  report.states = seen_.size();
  report.transitions = transitions_;
  report.member_states = members_.size();
  report.messages = messages_.size();
  report.seconds = seconds();
  report.broken = broken_;
  if (!broken_.empty()) report.trace = trace_to(broken_at_.state, broken_at_.move);
  return report;
}

std::vector<std::string> Search::trace_to(std::uint32_t number, std::uint64_t last_move) {
  std::vector<std::uint64_t> moves{last_move};
  for (; number != 0; number = origins_[number].state) moves.push_back(origins_[number].move);
  std::reverse(moves.begin(), moves.end());
  std::vector<std::string> trace;
  State state = begin();
  for (const std::uint64_t move : moves) {
    const auto place = static_cast<std::size_t>(move >> 8 & 0xff);
    const auto kind = static_cast<StepKind>(move & 0xff);
    const auto argument = static_cast<std::uint32_t>(move >> 16);
    trace.push_back(describe_move(place, kind, argument));
    const Result& result = this->result(state, place, kind, argument);
    state.members[place] = result.member;
    if (kind == StepKind::kCrash) --state.left[kCrashes];
    for (const MessageIndex sent : result.sent) {
      trace.push_back("      " + describe(messages_[sent]));
    }
    trace.push_back("      " + describe(view(state, place).status));
  }
  return trace;
}

std::string Search::describe_move(std::size_t place, StepKind kind, std::uint32_t argument) const {
  switch (kind) {
    case StepKind::kDeliver:
      return describe(messages_[argument]);
    case StepKind::kDeliverLate:
      return "late: " + describe(messages_[argument]);
    case StepKind::kTimeout:
      return fmt::format("{}: timeout", place + 1);
    case StepKind::kPersist:
      return fmt::format("{}: everything is written", place + 1);
    case StepKind::kCrash:
      return fmt::format("{}: crash and restart", place + 1);
    case StepKind::kPropose:
      return fmt::format("{}: propose", place + 1);
    case StepKind::kChange:
      return fmt::format("{}: change to {}", place + 1, describe(scenario_.targets[argument]));
    case StepKind::kTransfer:
      return fmt::format("{}: transfer to {}", place + 1, argument + 1);
  }
  return "?";
}

}  // namespace coord::raft::exhaustive

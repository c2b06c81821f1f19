#include "tests/raft/core/exhaustive/member.h"

#include <utility>

#include "raft/base/check.h"
#include "raft/core/describe.h"
#include "raft/core/fingerprint.h"
#include "raft/core/invariants.h"

namespace coord::raft::exhaustive {

namespace {

Fingerprint timeless() {
  return Fingerprint(Instant{}, Duration{});
}

void add(Fingerprint& fingerprint, const Durable& batch) {
  fingerprint.add(batch.truncate_from);
  fingerprint.add(batch.append.size());
  for (const Entry& entry : batch.append) fingerprint.add(entry);
  fingerprint.add(std::uint64_t{batch.hard_state.has_value()});
  if (batch.hard_state) {
    fingerprint.add(batch.hard_state->term);
    fingerprint.add(batch.hard_state->vote);
  }
}

struct AddBody {
  Fingerprint& fingerprint;

  void operator()(const VoteRequest& body) {
    fingerprint.add(std::uint64_t{body.pre_vote} + 2 * std::uint64_t{body.transfer});
    fingerprint.add(body.last);
  }
  void operator()(const VoteReply& body) {
    fingerprint.add(std::uint64_t{body.pre_vote} + 2 * std::uint64_t{body.granted});
  }
  void operator()(const AppendRequest& body) {
    fingerprint.add(body.previous);
    fingerprint.add(body.commit);
    fingerprint.add(body.round);
    for (const Entry& entry : body.entries) fingerprint.add(entry);
  }
  void operator()(const AppendReply& body) {
    fingerprint.add(std::uint64_t{body.accepted});
    fingerprint.add(body.match);
    fingerprint.add(body.rejected);
    fingerprint.add(body.hint);
    fingerprint.add(body.round);
  }
  void operator()(const Heartbeat& body) {
    fingerprint.add(body.commit);
    fingerprint.add(body.round);
    fingerprint.add(body.held_by_all);
  }
  void operator()(const HeartbeatReply& body) { fingerprint.add(body.round); }
  void operator()(const TimeoutNow&) {}
  void operator()(const ReadIndexRequest& body) { fingerprint.add(body.id); }
  void operator()(const ReadIndexReply& body) {
    fingerprint.add(body.id);
    fingerprint.add(std::uint64_t{body.granted});
    fingerprint.add(body.index);
  }
  void operator()(const SnapshotChunk& body) {
    fingerprint.add(body.last);
    fingerprint.add(body.offset);
  }
  void operator()(const SnapshotReply& body) {
    fingerprint.add(body.last);
    fingerprint.add(body.received);
  }
};

}  // namespace

std::uint64_t word_of(const Message& message) {
  Fingerprint fingerprint = timeless();
  fingerprint.add(message.from);
  fingerprint.add(message.to);
  fingerprint.add(message.term);
  fingerprint.add(message.body.index());
  std::visit(AddBody{fingerprint}, message.body);
  return fingerprint.value();
}

std::uint64_t word_of(const Entry& entry) {
  Fingerprint fingerprint = timeless();
  fingerprint.add(entry);
  return fingerprint.value();
}

Member::Member(CoreOptions options, Disk disk)
    : options_(std::move(options)), disk_(std::move(disk)) {
  start();
}

Member::Member(const Member& other)
    : options_(other.options_),
      now_(other.now_),
      core_(other.core_->clone()),
      disk_(other.disk_),
      planned_(other.planned_),
      batches_(other.batches_),
      held_(other.held_),
      votes_(other.votes_),
      view_(other.view_) {}

void Member::start() {
  batches_.clear();
  held_.clear();
  core_.emplace(options_, disk_.restore(), now_);
  planned_ = disk_;
  Outcome nothing;
  drain(nothing, /*fast_disk=*/true);
  CHECK(nothing.sent.empty());
}

Member::Outcome Member::step(const Step& step) const {
  Outcome outcome;
  outcome.member.reset(new Member(*this));
  Member& next = *outcome.member;
  Core& core = *next.core_;
  switch (step.kind) {
    case StepKind::kDeliverLate:
      next.now_ = std::max(next.now_, core.deadline());
      [[fallthrough]];
    case StepKind::kDeliver:
      core.step(next.now_, Receive{*step.message});
      break;
    case StepKind::kTimeout:
      next.now_ = std::max(next.now_, core.deadline());
      core.step(next.now_, Tick{});
      break;
    case StepKind::kPersist:
      next.persist(outcome);
      break;
    case StepKind::kCrash:
      next.start();
      return outcome;
    case StepKind::kPropose:
      outcome.refused =
          std::holds_alternative<Refusal>(core.propose(next.now_, Bytes::copy_of("12345678")));
      break;
    case StepKind::kChange:
      core.step(next.now_, ChangeConfiguration{ProposalId(1), *step.target});
      break;
    case StepKind::kTransfer:
      core.step(next.now_, TransferLeadership{ProposalId(1), step.peer});
      break;
  }
  next.drain(outcome, step.fast_disk);
  return outcome;
}

void Member::drain(Outcome& outcome, bool fast_disk) {
  while (true) {
    Output output = core_->take_output();
    for (const ProposalAnswer& answer : output.proposals) {
      outcome.refused = outcome.refused || std::holds_alternative<Refusal>(answer.answer);
    }
    CHECK(output.transfers.empty() && output.loads.empty(), "no log is cut here");
    for (Message& message : output.send) release(outcome, std::move(message));
    std::move(output.held.begin(), output.held.end(), std::back_inserter(held_));
    if (output.durable) {
      if (!planned_.write(*output.durable)) outcome.broken = "a batch does not fit to its disk";
      batches_.push_back(std::move(*output.durable));
    }
    if (!output.committed.empty()) {
      core_->step(now_, Applied{output.committed.back().id.index});
    } else if (fast_disk && !batches_.empty()) {
      persist(outcome);
    } else if (output.empty()) {
      break;
    }
  }
  const CoreStatus before = view_.status;
  const std::vector<std::uint64_t> words_before = std::move(view_.log_words);
  look(outcome);
  const CoreStatus& now = view_.status;
  if (before.self.is_zero()) return;
  for (std::string& broken : check_invariants(now, before)) outcome.broken = std::move(broken);
  if (before.role == RoleName::kLeader && now.role == RoleName::kLeader &&
      before.term == now.term &&
      !std::equal(words_before.begin(), words_before.end(), view_.log_words.begin(),
                  view_.log_words.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                words_before.size(), view_.log_words.size())))) {
    outcome.broken = "a leader has changed its log";
  }
}

void Member::persist(Outcome& outcome) {
  if (batches_.empty()) return;
  const Ticket ticket = batches_.back().ticket;
  for (const Durable& batch : std::exchange(batches_, {})) {
    if (!disk_.write(batch)) outcome.broken = "a batch does not fit to its disk";
  }
  for (HeldMessage& held : std::exchange(held_, {})) {
    CHECK(held.ticket <= ticket);
    release(outcome, std::move(held.message));
  }
  core_->step(now_, Persisted{ticket});
}

void Member::release(Outcome& outcome, Message message) {
  const auto votes = [&](MemberId candidate) {
    const MemberId known = votes_.emplace(message.term, candidate).first->second;
    if (known != candidate) {
      outcome.broken =
          fmt::format("votes for {} and for {} in term {}", known, candidate, message.term);
    }
  };
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (!request->pre_vote) votes(message.from);
  } else if (const auto* reply = std::get_if<VoteReply>(&message.body)) {
    if (reply->granted && !reply->pre_vote) votes(message.to);
  }
  outcome.sent.push_back(std::move(message));
}

void Member::look(Outcome& outcome) {
  view_.status = core_->status();
  view_.log.clear();
  view_.log_words.clear();
  std::optional<Configuration> newest;
  for (const Entry& entry : planned_.entries) {
    view_.log.push_back(entry.id);
    view_.log_words.push_back(word_of(entry));
    if (entry.type == EntryType::kConfiguration)
      newest = decode_configuration(entry.payload.span());
  }
  if (newest && *newest != view_.status.configuration) {
    outcome.broken = fmt::format("{} is in force and {} in the log",
                                 describe(view_.status.configuration), describe(*newest));
  }
  view_.durable.clear();
  for (const Entry& entry : disk_.entries) view_.durable.push_back(entry.id);
  view_.durable_term = disk_.hard_state.term;
  view_.has_unpersisted = !batches_.empty();
}

std::pair<std::uint64_t, std::uint64_t> Member::key() const {
  Fingerprint fingerprint = timeless();
  fingerprint.add(disk_.hard_state.term);
  fingerprint.add(disk_.hard_state.vote);
  fingerprint.add(disk_.entries.size());
  for (const Entry& entry : disk_.entries) fingerprint.add(entry);
  fingerprint.add(batches_.size());
  for (const Durable& batch : batches_) add(fingerprint, batch);
  fingerprint.add(held_.size());
  for (const HeldMessage& held : held_) {
    fingerprint.add(word_of(held.message));
    // How many of the batches it waits for.
    std::uint64_t after = 0;
    for (const Durable& batch : batches_) after += batch.ticket <= held.ticket ? 1 : 0;
    fingerprint.add(after);
  }
  fingerprint.add(votes_.size());
  for (const auto& [term, candidate] : votes_) {
    fingerprint.add(term);
    fingerprint.add(candidate);
  }
  fingerprint.add(options_.self);
  return {core_->fingerprint(), fingerprint.value()};
}

}  // namespace coord::raft::exhaustive

#include "service/api/applier.h"

#include <iterator>
#include <utility>

namespace coord::service {

namespace {

using Answer = Result<CommandResults>;

Error shutting_down(Outcome outcome) {
  Error error = make_error(ErrorCode::kShuttingDown, "this member is shutting down");
  error.outcome = outcome;
  return error;
}

Error replaced(raft::LogId place) {
  return make_error(ErrorCode::kNotLeader,
                    "another leader's entry took the place {} that this one was proposed for",
                    place);
}

Error passed_over(raft::LogId place) {
  Error error = make_error(ErrorCode::kNotLeader,
                           "this member received the state with entry {} from another leader, and "
                           "not the entry that was proposed for it",
                           place);
  error.outcome = Outcome::kUnknown;
  return error;
}

Error deadline_passed() {
  Error error = make_error(ErrorCode::kDeadlineExceeded,
                           "the write was proposed, and not committed before its deadline");
  error.outcome = Outcome::kUnknown;
  return error;
}

Error not_reached(Revision wanted, Revision newest) {
  Error error =
      make_error(ErrorCode::kDeadlineExceeded,
                 "this member has revision {}, and did not reach {} in time", newest, wanted);
  error.revision = newest;
  return error;
}

}  // namespace

Applier::Applier(State& state, Clock clock)
    : state_(state), clock_(std::move(clock)), sweeper_(clock_.timer, [this] { return sweep(); }) {}

void Applier::apply(std::span<const raft::Entry> entries) {
  for (const raft::Entry& entry : entries) apply_one(entry);
  wake_readers();
  for (const auto& hook : hooks_) hook();
}

void Applier::apply_one(const raft::Entry& entry) {
  const auto first = pending_.begin();
  if (first == pending_.end() || entry.id.index < first->first.first) {
    apply_to_state(entry, nullptr);
    return;
  }
  // Entries come without gaps, and each settles every proposal for its index.
  CHECK_EQ(first->first.first, entry.id.index);
  const auto ours = pending_.find(Place(entry.id.index, entry.id.term));
  const bool wanted = ours != pending_.end() && ours->second.answer->isWaiting();
  CommandResults results;
  apply_to_state(entry, wanted ? &results : nullptr);
  if (wanted) ours->second.answer->fulfill(Answer(std::move(results)));
  if (ours != pending_.end()) pending_.erase(ours);
  while (!pending_.empty() && pending_.begin()->first.first == entry.id.index) {
    const auto lost = pending_.begin();
    lost->second.answer->fulfill(Answer(replaced({lost->first.second, lost->first.first})));
    pending_.erase(lost);
  }
}

void Applier::apply_to_state(const raft::Entry& entry, CommandResults* results) {
  state_.apply(entry, results);
  digests_.note(state_.position());
}

kj::Promise<Result<CommandResults>> Applier::commit(Bytes command, Instant deadline) {
  CHECK(node_ != nullptr, "commit() before attach()");
  if (shut_down_) return Answer(shutting_down(Outcome::kNotApplied));
  if (pending_.size() >= kPendingMax) {
    Error error = make_error(ErrorCode::kOverloaded, "{} proposals are waiting to be committed",
                             pending_.size());
    error.retry_after = milliseconds(20);
    return Answer(std::move(error));
  }
  Result<raft::LogId> place = node_->propose(std::move(command));
  if (!place) return Answer(std::move(place).error());
  return settled(*place, deadline);
}

kj::Promise<Result<CommandResults>> Applier::settled(raft::LogId place, Instant deadline) {
  if (shut_down_) return Answer(shutting_down(Outcome::kUnknown));
  auto waiter = kj::newPromiseAndFulfiller<Answer>();
  const auto [at, added] =
      pending_.emplace(Place(place.index, place.term), Pending{kj::mv(waiter.fulfiller), deadline});
  CHECK(added, "two proposals at {}", place);
  sweeper_.wake();
  return kj::mv(waiter.promise);
}

kj::Promise<Status> Applier::reached(Revision revision, Instant deadline) {
  if (state_.revision() >= revision) return Status::success();
  if (shut_down_) return Status(shutting_down(Outcome::kNotApplied));
  if (readers_.size() >= kPendingMax) {
    return Status(
        make_error(ErrorCode::kOverloaded, "{} reads are waiting for a revision", readers_.size()));
  }
  auto waiter = kj::newPromiseAndFulfiller<Status>();
  readers_.emplace(revision, Waiting{kj::mv(waiter.fulfiller), deadline});
  sweeper_.wake();
  return kj::mv(waiter.promise);
}

void Applier::on_reloaded() {
  const StatePosition position = state_.position();
  while (!pending_.empty() && pending_.begin()->first.first <= position.applied.index) {
    const auto passed = pending_.begin();
    passed->second.answer->fulfill(
        Answer(passed_over({passed->first.second, passed->first.first})));
    pending_.erase(passed);
  }
  // What this member had made of the log before says nothing of what it holds now.
  digests_ = DigestTrail();
  digests_.note(position);
  wake_readers();
}

void Applier::wake_readers() {
  while (!readers_.empty() && readers_.begin()->first <= state_.revision()) {
    readers_.begin()->second.answer->fulfill(Status::success());
    readers_.erase(readers_.begin());
  }
}

bool Applier::sweep() {
  const Instant now = clock_.now();
  for (auto it = pending_.begin(); it != pending_.end();) {
    const bool over = it->second.deadline <= now;
    if (over) it->second.answer->fulfill(Answer(deadline_passed()));
    it = over ? pending_.erase(it) : std::next(it);
  }
  for (auto it = readers_.begin(); it != readers_.end();) {
    const bool over = it->second.deadline <= now || !it->second.answer->isWaiting();
    if (over) it->second.answer->fulfill(Status(not_reached(it->first, state_.revision())));
    it = over ? readers_.erase(it) : std::next(it);
  }
  return !pending_.empty() || !readers_.empty();
}

void Applier::shut_down() {
  shut_down_ = true;
  for (auto& [place, pending] : pending_) {
    pending.answer->fulfill(Answer(shutting_down(Outcome::kUnknown)));
  }
  pending_.clear();
  for (auto& [revision, waiting] : readers_) {
    waiting.answer->fulfill(Status(shutting_down(Outcome::kNotApplied)));
  }
  readers_.clear();
}

}  // namespace coord::service

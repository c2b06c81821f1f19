#include "raft/node/read_gates.h"

#include <utility>

namespace coord::raft {

Error to_error(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNotLeader:
      return make_error(ErrorCode::kNotLeader, "this member is not the leader");
    case Refusal::kOverloaded:
      return make_error(ErrorCode::kOverloaded, "too much is waiting to be committed");
    case Refusal::kTransferring:
      return make_error(ErrorCode::kNotLeader, "this member is handing its leadership over");
    case Refusal::kNoLeader:
      return make_error(ErrorCode::kNoQuorum, "no leader is known");
    case Refusal::kLostLeader:
      return make_error(ErrorCode::kNotLeader,
                        "the leadership ended before the read was confirmed");
    case Refusal::kNotReady:
      return make_error(ErrorCode::kNoQuorum, "this leader is too new to tell");
    case Refusal::kChangeInFlight:
      return make_error(ErrorCode::kChangeInFlight,
                        "another change of the members is not finished");
    case Refusal::kBadConfiguration:
      return make_error(ErrorCode::kInvalidArgument, "the members cannot be changed to that");
    case Refusal::kNotCaughtUp:
      return make_error(ErrorCode::kNotCaughtUp,
                        "a member that is to vote has not caught up with the log");
    case Refusal::kWouldLoseQuorum:
      return make_error(ErrorCode::kWouldLoseQuorum,
                        "too few of the members that would vote can be heard");
    case Refusal::kBadTarget:
      return make_error(ErrorCode::kInvalidArgument,
                        "leadership can only go to another voting member that can be heard");
  }
  return make_error(ErrorCode::kInternal, "refused");
}

std::optional<ReadId> ReadGates::name_gathered() {
  if (gathered_.empty()) return std::nullopt;
  ++last_name_;
  asked_.emplace(last_name_, std::exchange(gathered_, {}));
  return last_name_;
}

void ReadGates::answer(const ReadAnswer& answer) {
  auto node = asked_.extract(answer.id);
  if (node.empty()) return;
  if (const auto* index = std::get_if<Index>(&answer.answer)) {
    waiting_[*index].push_back(std::move(node.mapped()));
    return;
  }
  const Error error = to_error(std::get<Refusal>(answer.answer));
  for (Done& done : node.mapped()) refused_.push_back({std::move(done), error});
}

bool ReadGates::anything_open(Index applied) const {
  return !refused_.empty() || (!waiting_.empty() && waiting_.begin()->first <= applied);
}

std::vector<ReadGates::Open> ReadGates::take_open(Index applied) {
  std::vector<Open> open = std::exchange(refused_, {});
  while (!waiting_.empty() && waiting_.begin()->first <= applied) {
    for (Group& group : waiting_.begin()->second) {
      for (Done& done : group) open.push_back({std::move(done), Status()});
    }
    waiting_.erase(waiting_.begin());
  }
  return open;
}

std::vector<ReadGates::Done> ReadGates::take_all() {
  std::vector<Done> all;
  const auto take = [&](Group& group) {
    for (Done& done : group) all.push_back(std::move(done));
    group.clear();
  };
  for (Open& open : std::exchange(refused_, {})) all.push_back(std::move(open.done));
  for (auto& [index, groups] : waiting_) {
    for (Group& group : groups) take(group);
  }
  for (auto& [id, group] : asked_) take(group);
  take(gathered_);
  waiting_.clear();
  asked_.clear();
  return all;
}

}  // namespace coord::raft

#include "service/api/transfer.h"

#include <optional>
#include <utility>

namespace coord::service {

namespace {

constexpr milliseconds kLookAgain{1};

Status check_target(const Context& api, const raft::CoreStatus& core, MemberId target) {
  if (!target.is_zero() && !core.configuration.contains(target)) {
    return make_error(ErrorCode::kMemberNotFound, "the cluster has no member {}", target);
  }
  if (!target.is_zero() && !core.configuration.is_voter(target)) {
    return make_error(ErrorCode::kInvalidArgument, "{} is a learner: promote it first",
                      api.name_of(target));
  }
  if (core.configuration.voters.size() == 1 && core.configuration.is_voter(core.self)) {
    return make_error(ErrorCode::kInvalidArgument, "{} is the only member that votes",
                      api.name_of(core.self));
  }
  return {};
}

Error nobody_to_lead(const Context& api, MemberId target) {
  if (target.is_zero()) {
    return make_error(ErrorCode::kUnreachable, "the leader hears no other member that votes");
  }
  return make_error(ErrorCode::kUnreachable, "the leader does not hear {}", api.name_of(target));
}

// Nothing: it is still under way.
std::optional<Result<MemberId>> end_of_transfer(const Context& api, MemberId target, Term begun) {
  const raft::CoreStatus core = api.deps.node.status();
  if (!core.leader.is_zero() && core.leader != core.self) return core.leader;
  const bool leads_on = core.role == raft::RoleName::kLeader && core.transferring_to.is_zero();
  if (!leads_on) return std::nullopt;
  if (core.term > begun) return core.self;
  Error error = make_error(ErrorCode::kDeadlineExceeded,
                           "{} has not taken the leadership over in time; {} leads on",
                           api.name_of(target), api.name_of(core.self));
  // It may have been told to, and may yet hear it.
  error.outcome = Outcome::kUnknown;
  return error;
}

}  // namespace

rpc::Task<Result<MemberId>> transfer_leadership(Context& api, Handover wanted, Instant deadline) {
  MemberId target = wanted.target;
  const raft::CoreStatus core = api.deps.node.status();
  if (core.role != raft::RoleName::kLeader) co_return api.not_leader();
  const bool done_before = !wanted.from.is_zero() && wanted.from != core.self;
  if (target.is_zero() ? done_before : target == core.self) co_return core.self;
  if (Status status = check_target(api, core, target); !status.ok()) co_return status.error();
  const Status begun = api.deps.node.transfer_leadership(target);
  if (!begun.ok()) {
    if (begun.error().code != ErrorCode::kInvalidArgument) co_return begun.error();
    co_return nobody_to_lead(api, target);
  }
  target = api.deps.node.status().transferring_to;
  for (;;) {
    co_await api.deps.clock.timer.afterDelay(kLookAgain.count() * kj::MILLISECONDS);
    if (auto end = end_of_transfer(api, target, core.term)) co_return std::move(*end);
    if (api.deps.clock.now() < deadline) continue;
    Error error =
        make_error(ErrorCode::kDeadlineExceeded,
                   "the transfer of leadership to {} has not ended in time", api.name_of(target));
    error.outcome = Outcome::kUnknown;
    co_return error;
  }
}

}  // namespace coord::service

// Who takes part: each is one call, that waits at the leader until the change is done.
#include <utility>
#include <variant>

#include "client/lib/convert.h"
#include "client/lib/perform.h"

namespace coord::internal {
namespace {

void encode(schema::MemberChange::Builder target, const op::AddLearner& change) {
  auto learner = target.initAddLearner();
  learner.setName(to_text(change.name));
  learner.setPeerAddress(to_text(change.peer_address));
}
void encode(schema::MemberChange::Builder target, const op::PromoteMember& change) {
  target.setPromote(change.id.value());
}
void encode(schema::MemberChange::Builder target, const op::RemoveMember& change) {
  target.setRemove(change.id.value());
}
void encode(schema::MemberChange::Builder target, const op::ReplaceMember& change) {
  auto replace = target.initReplace();
  replace.setOld(change.old_id.value());
  replace.setNew(change.new_id.value());
}
void encode(schema::MemberChange::Builder target, const op::UpdateMember& change) {
  auto update = target.initUpdateAddress();
  update.setId(change.id.value());
  update.setPeerAddress(to_text(change.peer_address));
}

Call change_until(Core& core, Instant deadline) {
  return {.deadline = deadline,
          .patience = deadline - core.environment().clock(),
          .changes = true,
          .leader_waits = true};
}

Replication to_replication(schema::MemberProgress::Replication replication) {
  switch (replication) {
    case schema::MemberProgress::Replication::PROBE:
      return Replication::kProbe;
    case schema::MemberProgress::Replication::REPLICATE:
      return Replication::kReplicate;
    case schema::MemberProgress::Replication::SNAPSHOT:
      return Replication::kSnapshot;
  }
  return Replication::kProbe;
}

}  // namespace

rpc::Task<Result<MemberIdentity>> perform(Core& core, op::ProbeMember op) {
  const Instant deadline = core.deadline(op.timeout);
  const auto attempt = [&core, address = std::move(op.peer_address),
                        deadline](Connection& connection) {
    auto request = connection.membership().probeRequest();
    request.setPeerAddress(to_text(address));
    request.setDeadlineMs(server_deadline_ms(deadline, core.environment().clock()));
    return core.calls().send(
        connection, kj::mv(request), [](auto&& answer) -> Result<MemberIdentity> {
          if (answer.hasFailure()) return to_error(answer.getFailure());
          const auto identity = answer.getIdentity();
          return MemberIdentity{.cluster = ClusterId(identity.getCluster()),
                                .id = MemberId(identity.getId()),
                                .name = to_string(identity.getName()),
                                .client_address = to_string(identity.getClientAddress()),
                                .version = to_string(identity.getVersion()),
                                .empty = identity.getEmpty()};
        });
  };
  const Call call{
      .deadline = deadline, .patience = core.timeout_or_default(op.timeout), .leader_waits = true};
  co_return co_await core.calls().repeat<MemberIdentity>(call, attempt);
}

rpc::Task<Result<MemberChanged>> perform(Core& core, op::ChangeMembers op) {
  const Instant deadline = core.deadline(op.timeout);
  const auto attempt = [&core, change = std::move(op.change), deadline](Connection& connection,
                                                                        bool again) {
    auto request = connection.membership().changeRequest();
    std::visit([&](const auto& each) { encode(request.initChange(), each); }, change);
    request.setDeadlineMs(server_deadline_ms(deadline, core.environment().clock()));
    const auto* remove = std::get_if<op::RemoveMember>(&change);
    const MemberId removed = remove == nullptr ? MemberId() : remove->id;
    return core.calls().send(
        connection, kj::mv(request), [removed, again](auto&& answer) -> Result<MemberChanged> {
          if (!answer.hasFailure()) {
            return MemberChanged{.member = MemberId(answer.getMember()),
                                 .made = again || answer.getMade()};
          }
          Error error = to_error(answer.getFailure());
          // Then an earlier attempt may have done it, and if not it is so all the same.
          if (again && !removed.is_zero() && error.code == ErrorCode::kMemberNotFound) {
            return MemberChanged{.member = removed, .made = true};
          }
          return error;
        });
  };
  co_return co_await core.calls().repeat<MemberChanged>(change_until(core, deadline), attempt);
}

rpc::Task<Result<MembersProgress>> perform(Core& core, op::Progress op) {
  const Instant deadline = core.deadline(op.timeout);
  const auto attempt = [&core, deadline](Connection& connection) {
    auto request = connection.membership().progressRequest();
    request.setDeadlineMs(server_deadline_ms(deadline, core.environment().clock()));
    return core.calls().send(
        connection, kj::mv(request), [](auto&& answer) -> Result<MembersProgress> {
          if (answer.hasFailure()) return to_error(answer.getFailure());
          MembersProgress result;
          result.last_index = Index(answer.getLastIndex());
          for (const auto member : answer.getMembers()) {
            result.members.push_back({.id = MemberId(member.getId()),
                                      .match_index = Index(member.getMatchIndex()),
                                      .replication = to_replication(member.getReplication()),
                                      .caught_up = member.getCaughtUp(),
                                      .recently_active = member.getRecentlyActive()});
          }
          result.header = to_header(answer.getHeader());
          return result;
        });
  };
  co_return co_await core.calls().repeat<MembersProgress>({.deadline = deadline}, attempt);
}

rpc::Task<Result<MemberId>> perform(Core& core, op::TransferLeadership op) {
  const Instant deadline = core.deadline(op.timeout);
  MemberId from;
  if (op.target.is_zero()) {
    // Without a target, an attempt that follows one whose answer was lost would hand over again.
    const op::Progress question{.timeout = op.timeout};
    auto asking = perform(core, question);
    const auto progress = co_await std::move(asking);
    if (!progress.ok()) co_return progress.error();
    from = progress->header.member;
  }
  const auto attempt = [&core, target = op.target, from, deadline](Connection& connection) {
    auto request = connection.membership().transferRequest();
    request.setTarget(target.value());
    request.setFrom(from.value());
    request.setDeadlineMs(server_deadline_ms(deadline, core.environment().clock()));
    return core.calls().send(connection, kj::mv(request), [](auto&& answer) -> Result<MemberId> {
      if (answer.hasFailure()) return to_error(answer.getFailure());
      return MemberId(answer.getLeader());
    });
  };
  co_return co_await core.calls().repeat<MemberId>(change_until(core, deadline), attempt);
}

}  // namespace coord::internal

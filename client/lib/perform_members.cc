// Who takes part: each is one call, that waits at the leader until the change is done.
#include <algorithm>
#include <memory>
#include <type_traits>
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

// Less than we wait ourselves, so that the member's reason arrives.
std::uint32_t deadline_ms(milliseconds wait) {
  return static_cast<std::uint32_t>(std::max<std::int64_t>(1, wait.count() * 3 / 4));
}

// What came of asking the leader. Elsewhere an error of these kinds is about the one that was
// asked, and another one may be; here it is the answer: it is somebody else who cannot be reached,
// or has not done what it should in time.
template <class T>
struct Verdict {
  Result<T> result;
};
template <class T>
Result<Verdict<T>> verdict(Error error) {
  if (error.code == ErrorCode::kUnreachable || error.code == ErrorCode::kDeadlineExceeded) {
    return Verdict<T>{Result<T>(std::move(error))};
  }
  return error;
}

template <class T, class Attempt>
rpc::Task<Result<T>> ask_leader(Core& core, milliseconds timeout, Attempt attempt) {
  auto asking = core.calls().repeat<Verdict<T>>(Route::kLeader, core.deadline(timeout),
                                                Duration(core.timeout_or_default(timeout)),
                                                std::move(attempt));
  auto answer = co_await std::move(asking);
  if (!answer.ok()) co_return std::move(answer).error();
  co_return std::move(answer->result);
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
  const auto wait = core.timeout_or_default(op.timeout);
  const auto attempt = [address = std::move(op.peer_address), wait](Connection& connection) {
    auto request = connection.membership().probeRequest();
    request.setPeerAddress(to_text(address));
    request.setDeadlineMs(deadline_ms(wait));
    return request.send().then([](auto&& answer) -> Result<Verdict<MemberIdentity>> {
      if (answer.hasFailure()) return verdict<MemberIdentity>(to_error(answer.getFailure()));
      const auto identity = answer.getIdentity();
      MemberIdentity found{.cluster = ClusterId(identity.getCluster()),
                           .id = MemberId(identity.getId()),
                           .name = to_string(identity.getName()),
                           .client_address = to_string(identity.getClientAddress()),
                           .version = to_string(identity.getVersion()),
                           .empty = identity.getEmpty()};
      return Verdict<MemberIdentity>{std::move(found)};
    });
  };
  co_return co_await ask_leader<MemberIdentity>(core, op.timeout, attempt);
}

rpc::Task<Result<MemberId>> perform(Core& core, op::ChangeMembers op) {
  const auto wait = core.timeout_or_default(op.timeout);
  const auto attempts = std::make_shared<unsigned>(0);
  const auto attempt = [change = std::move(op.change), wait, attempts](Connection& connection) {
    auto request = connection.membership().changeRequest();
    std::visit([&](const auto& each) { encode(request.initChange(), each); }, change);
    request.setDeadlineMs(deadline_ms(wait));
    const auto* remove = std::get_if<op::RemoveMember>(&change);
    const MemberId removed = ++*attempts > 1 && remove != nullptr ? remove->id : MemberId();
    return request.send().then([removed](auto&& answer) -> Result<Verdict<MemberId>> {
      if (!answer.hasFailure()) return Verdict<MemberId>{MemberId(answer.getMember())};
      Error error = to_error(answer.getFailure());
      // Then an earlier attempt has done it.
      if (!removed.is_zero() && error.code == ErrorCode::kMemberNotFound) {
        return Verdict<MemberId>{removed};
      }
      return verdict<MemberId>(std::move(error));
    });
  };
  co_return co_await ask_leader<MemberId>(core, op.timeout, attempt);
}

rpc::Task<Result<MembersProgress>> perform(Core& core, op::Progress op) {
  const auto wait = core.timeout_or_default(op.timeout);
  const auto attempt = [wait](Connection& connection) {
    auto request = connection.membership().progressRequest();
    request.setDeadlineMs(deadline_ms(wait));
    return request.send().then([](auto&& answer) -> Result<MembersProgress> {
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
  co_return co_await core.calls().repeat<MembersProgress>(Route::kLeader, core.deadline(op.timeout),
                                                          kCallPatience, attempt);
}

rpc::Task<Result<MemberId>> perform(Core& core, op::TransferLeadership op) {
  const auto wait = core.timeout_or_default(op.timeout);
  const auto attempt = [target = op.target, wait](Connection& connection) {
    auto request = connection.membership().transferRequest();
    request.setTarget(target.value());
    request.setDeadlineMs(deadline_ms(wait));
    return request.send().then([](auto&& answer) -> Result<Verdict<MemberId>> {
      if (answer.hasFailure()) return verdict<MemberId>(to_error(answer.getFailure()));
      return Verdict<MemberId>{MemberId(answer.getLeader())};
    });
  };
  co_return co_await ask_leader<MemberId>(core, op.timeout, attempt);
}

}  // namespace coord::internal

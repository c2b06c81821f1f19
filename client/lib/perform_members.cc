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
rpc::Task<Result<T>> ask_leader(Core& core, Instant deadline, milliseconds patience,
                                Attempt attempt) {
  auto asking = core.calls().repeat<Verdict<T>>(Route::kLeader, deadline, Duration(patience),
                                                std::move(attempt));
  auto answer = co_await std::move(asking);
  if (!answer.ok()) co_return std::move(answer).error();
  co_return std::move(answer->result);
}

// Which attempts of one change may have made it, or may still: those that were sent and of which no
// member has said that they did nothing. What a later attempt is told says nothing of them.
class Doubt final {
 public:
  // An attempt is sent.
  void begin() { ++open_; }
  // What became of it.
  void end(const Error& error) {
    if (error.outcome == Outcome::kNotApplied) --open_;
  }
  // Of a member that does not know the call.
  void end(const kj::Exception& exception) {
    if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED) --open_;
  }
  bool exists() const { return open_ > 0; }

 private:
  unsigned open_ = 0;
};

// The end of an operation that `doubt` is about.
template <class T>
Result<T> with(const Doubt& doubt, Result<T> result) {
  if (result.ok() || !doubt.exists() || result.error().outcome != Outcome::kNotApplied) {
    return result;
  }
  Error error = std::move(result).error();
  error.outcome = Outcome::kUnknown;
  return error;
}

// `take` makes Result<Verdict<T>> of an answer that is no failure, `refused` of an Error.
template <class T, class Request, class Take, class Refused>
kj::Promise<Result<Verdict<T>>> attempt_change(std::shared_ptr<Doubt> doubt, Request request,
                                               Take take, Refused refused) {
  const bool again = doubt->exists();
  doubt->begin();
  return request.send().then(
      [doubt, take, refused, again](auto&& answer) -> Result<Verdict<T>> {
        if (!answer.hasFailure()) return Verdict<T>{take(answer, again)};
        Error error = to_error(answer.getFailure());
        doubt->end(error);
        return refused(std::move(error), again);
      },
      [doubt](kj::Exception&& exception) -> Result<Verdict<T>> {
        doubt->end(exception);
        kj::throwFatalException(kj::mv(exception));
      });
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
  co_return co_await ask_leader<MemberIdentity>(core, core.deadline(op.timeout), wait, attempt);
}

rpc::Task<Result<MemberChanged>> perform(Core& core, op::ChangeMembers op) {
  const auto wait = core.timeout_or_default(op.timeout);
  const auto doubt = std::make_shared<Doubt>();
  const auto attempt = [change = std::move(op.change), wait, doubt](Connection& connection) {
    auto request = connection.membership().changeRequest();
    std::visit([&](const auto& each) { encode(request.initChange(), each); }, change);
    request.setDeadlineMs(deadline_ms(wait));
    const auto* remove = std::get_if<op::RemoveMember>(&change);
    const auto take = [](auto& answer, bool again) {
      return MemberChanged{.member = MemberId(answer.getMember()),
                           .made = again || answer.getMade()};
    };
    const auto refused = [removed = remove == nullptr ? MemberId() : remove->id](
                             Error error, bool again) -> Result<Verdict<MemberChanged>> {
      // Then an earlier attempt may have done it, and if not it is so all the same.
      if (again && !removed.is_zero() && error.code == ErrorCode::kMemberNotFound) {
        return Verdict<MemberChanged>{MemberChanged{.member = removed, .made = true}};
      }
      return verdict<MemberChanged>(std::move(error));
    };
    return attempt_change<MemberChanged>(doubt, kj::mv(request), take, refused);
  };
  auto asking = ask_leader<MemberChanged>(core, core.deadline(op.timeout), wait, attempt);
  auto changed = co_await std::move(asking);
  co_return with(*doubt, std::move(changed));
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
  const auto doubt = std::make_shared<Doubt>();
  const auto attempt = [target = op.target, from, wait, doubt](Connection& connection) {
    auto request = connection.membership().transferRequest();
    request.setTarget(target.value());
    request.setFrom(from.value());
    request.setDeadlineMs(deadline_ms(wait));
    const auto take = [](auto& answer, bool) { return MemberId(answer.getLeader()); };
    const auto refused = [](Error error, bool) { return verdict<MemberId>(std::move(error)); };
    return attempt_change<MemberId>(doubt, kj::mv(request), take, refused);
  };
  auto asking = ask_leader<MemberId>(core, deadline, wait, attempt);
  auto leader = co_await std::move(asking);
  co_return with(*doubt, std::move(leader));
}

}  // namespace coord::internal

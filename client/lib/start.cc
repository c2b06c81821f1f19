#include "client/lib/engine.h"
#include "client/lib/environment.h"
#include "client/lib/handles.h"
#include "client/lib/perform.h"
#include "client/lib/typed_request.h"
#include "coord/async.h"

namespace coord::internal {
namespace {

// An operation that is a coroutine, on its way to the I/O thread.
template <class Op>
class CoroutineJob final : public Job {
 public:
  using Response = typename Op::Response;

  CoroutineJob(Op op, CompletionPtr<Response> completion)
      : op_(std::move(op)), completion_(std::move(completion)) {}

  void run(std::unique_ptr<Job>, Core& core) override {
    core.spawn(std::move(completion_), perform(core, std::move(op_)));
  }
  void abandon() override {
    completion_->complete(make_error(ErrorCode::kCancelled, "the client was closed"));
  }

 private:
  Op op_;
  CompletionPtr<Response> completion_;
};

class WatchNextJob final : public Job {
 public:
  WatchNextJob(op::WatchNext op, CompletionPtr<Result<WatchUpdate>> completion)
      : op_(std::move(op)), completion_(std::move(completion)) {}

  void run(std::unique_ptr<Job>, Core& core) override {
    core.watches().next(op_.watch->live, op_.timeout, std::move(completion_));
  }
  void abandon() override {
    completion_->complete(make_error(ErrorCode::kCancelled, "the client was closed"));
  }

 private:
  op::WatchNext op_;
  CompletionPtr<Result<WatchUpdate>> completion_;
};

template <class Op>
concept IsWrite = requires(schema::Write::Builder target, const Op& op) {
  encode(target, op);
};
template <class Op>
concept IsRead = requires(schema::Read::Builder target, const Op& op) {
  encode(target, op);
};

template <class Op>
std::unique_ptr<Job> make_job(Op op, CompletionPtr<typename Op::Response> completion) {
  if constexpr (IsWrite<Op>) {
    const milliseconds timeout = timeout_of(op);
    return std::make_unique<TypedWrite<Op>>(std::move(op), std::move(completion), timeout);
  } else if constexpr (IsRead<Op>) {
    return std::make_unique<TypedRead<Op>>(std::move(op), std::move(completion));
  } else if constexpr (std::is_same_v<Op, op::WatchNext>) {
    return std::make_unique<WatchNextJob>(std::move(op), std::move(completion));
  } else {
    return std::make_unique<CoroutineJob<Op>>(std::move(op), std::move(completion));
  }
}

}  // namespace

template <class Op>
void start(const EnginePtr& engine, Op op, CompletionPtr<typename Op::Response> completion) {
  if (engine == nullptr) {
    return completion->complete(
        make_error(ErrorCode::kInvalidArgument, "the object is empty: nothing held, no client"));
  }
  if constexpr (std::is_same_v<Op, op::LeaseGrant>) {
    // So that an answer that got lost does not leave a lease that nobody knows.
    if (op.options.id.is_zero()) op.options.id = random_lease_id(engine->random());
  }
  engine->submit(make_job(std::move(op), std::move(completion)));
}

template void start(const EnginePtr&, op::Put, CompletionPtr<op::Put::Response>);
template void start(const EnginePtr&, op::Delete, CompletionPtr<op::Delete::Response>);
template void start(const EnginePtr&, op::Cas, CompletionPtr<op::Cas::Response>);
template void start(const EnginePtr&, op::Transact, CompletionPtr<op::Transact::Response>);
template void start(const EnginePtr&, op::Get, CompletionPtr<op::Get::Response>);
template void start(const EnginePtr&, op::Range, CompletionPtr<op::Range::Response>);
template void start(const EnginePtr&, op::LeaseGrant, CompletionPtr<op::LeaseGrant::Response>);
template void start(const EnginePtr&, op::LeaseRenew, CompletionPtr<op::LeaseRenew::Response>);
template void start(const EnginePtr&, op::LeaseRevoke, CompletionPtr<op::LeaseRevoke::Response>);
template void start(const EnginePtr&, op::LeaseGet, CompletionPtr<op::LeaseGet::Response>);
template void start(const EnginePtr&, op::LeaseList, CompletionPtr<op::LeaseList::Response>);
template void start(const EnginePtr&, op::OpenSession, CompletionPtr<op::OpenSession::Response>);
template void start(const EnginePtr&, op::DefaultSession,
                    CompletionPtr<op::DefaultSession::Response>);
template void start(const EnginePtr&, op::CloseSession, CompletionPtr<op::CloseSession::Response>);
template void start(const EnginePtr&, op::AcquireLock, CompletionPtr<op::AcquireLock::Response>);
template void start(const EnginePtr&, op::Campaign, CompletionPtr<op::Campaign::Response>);
template void start(const EnginePtr&, op::Release, CompletionPtr<op::Release::Response>);
template void start(const EnginePtr&, op::Proclaim, CompletionPtr<op::Proclaim::Response>);
template void start(const EnginePtr&, op::BreakLock, CompletionPtr<op::BreakLock::Response>);
template void start(const EnginePtr&, op::ShowLock, CompletionPtr<op::ShowLock::Response>);
template void start(const EnginePtr&, op::ListLocks, CompletionPtr<op::ListLocks::Response>);
template void start(const EnginePtr&, op::Leader, CompletionPtr<op::Leader::Response>);
template void start(const EnginePtr&, op::WatchNext, CompletionPtr<op::WatchNext::Response>);
template void start(const EnginePtr&, op::ObserverNext, CompletionPtr<op::ObserverNext::Response>);
template void start(const EnginePtr&, op::Members, CompletionPtr<op::Members::Response>);
template void start(const EnginePtr&, op::EndpointStatus,
                    CompletionPtr<op::EndpointStatus::Response>);
template void start(const EnginePtr&, op::Compact, CompletionPtr<op::Compact::Response>);
template void start(const EnginePtr&, op::Health, CompletionPtr<op::Health::Response>);
template void start(const EnginePtr&, op::ProbeMember, CompletionPtr<op::ProbeMember::Response>);
template void start(const EnginePtr&, op::ChangeMembers,
                    CompletionPtr<op::ChangeMembers::Response>);
template void start(const EnginePtr&, op::Progress, CompletionPtr<op::Progress::Response>);
template void start(const EnginePtr&, op::TransferLeadership,
                    CompletionPtr<op::TransferLeadership::Response>);

}  // namespace coord::internal

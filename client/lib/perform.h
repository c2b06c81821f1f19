// The operations that are more than one read or one write, each a coroutine on the I/O loop.
#pragma once

#include "client/lib/core.h"
#include "coord/operations.h"
#include "schema/rpc/task.h"

namespace coord::internal {

rpc::Task<Result<milliseconds>> perform(Core& core, op::LeaseRenew op);
rpc::Task<Result<LeaseInfo>> perform(Core& core, op::LeaseGet op);
rpc::Task<Result<std::vector<LeaseInfo>>> perform(Core& core, op::LeaseList op);

rpc::Task<Result<Session>> perform(Core& core, op::OpenSession op);
rpc::Task<Result<Session>> perform(Core& core, op::DefaultSession op);
rpc::Task<Status> perform(Core& core, op::CloseSession op);

rpc::Task<Result<Lock>> perform(Core& core, op::AcquireLock op);
rpc::Task<Result<Leadership>> perform(Core& core, op::Campaign op);
rpc::Task<Status> perform(Core& core, op::Release op);
rpc::Task<Status> perform(Core& core, op::Proclaim op);
rpc::Task<Result<LockInfo>> perform(Core& core, op::ShowLock op);
rpc::Task<Result<std::vector<LockInfo>>> perform(Core& core, op::ListLocks op);
rpc::Task<Result<LeaderInfo>> perform(Core& core, op::Leader op);
rpc::Task<Result<std::optional<LeaderInfo>>> perform(Core& core, op::ObserverNext op);

rpc::Task<Result<MembersResult>> perform(Core& core, op::Members op);
rpc::Task<Result<MemberStatus>> perform(Core& core, op::EndpointStatus op);
rpc::Task<Result<Revision>> perform(Core& core, op::Compact op);
rpc::Task<Result<HealthResult>> perform(Core& core, op::Health op);

rpc::Task<Result<MemberIdentity>> perform(Core& core, op::ProbeMember op);
rpc::Task<Result<MemberChanged>> perform(Core& core, op::ChangeMembers op);
rpc::Task<Result<MembersProgress>> perform(Core& core, op::Progress op);
rpc::Task<Result<MemberId>> perform(Core& core, op::TransferLeadership op);

}  // namespace coord::internal

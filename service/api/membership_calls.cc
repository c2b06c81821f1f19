#include "service/api/membership_calls.h"

#include <utility>

#include "service/api/answers.h"
#include "service/api/host_port.h"
#include "service/api/member_change.h"
#include "service/api/probe.h"
#include "service/api/transfer.h"

namespace coord::service {

namespace {

rpc::Task<Status> probe_here(Context& api, ProbeCall call) {
  const std::string address = call.getParams().getPeerAddress();
  if (!is_host_port(address)) {
    co_return make_error(ErrorCode::kInvalidArgument, "a peer address is HOST:PORT");
  }
  auto asking = probe(api, address);
  const auto found = co_await std::move(asking);
  if (!found) co_return found.error();
  auto out = call.getResults();
  api.fill(out.initHeader());
  auto identity = out.initIdentity();
  identity.setCluster(found->cluster.value());
  identity.setId(found->id.value());
  identity.setName(to_text(found->name));
  identity.setClientAddress(to_text(found->client_address));
  identity.setVersion(to_text(found->version));
  identity.setEmpty(found->empty);
  co_return Status::success();
}

rpc::Task<Status> change_here(Context& api, ChangeCall call, Instant deadline) {
  auto changing = change_members(api, call.getParams().getChange(), deadline);
  const auto changed = co_await std::move(changing);
  if (!changed) co_return changed.error();
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setMember(changed->member.value());
  out.setMade(changed->made);
  co_return Status::success();
}

schema::MemberProgress::Replication replication_of(const raft::PeerProgress& peer) {
  if (peer.snapshot) return schema::MemberProgress::Replication::SNAPSHOT;
  return peer.probing ? schema::MemberProgress::Replication::PROBE
                      : schema::MemberProgress::Replication::REPLICATE;
}

rpc::Task<Status> progress_here(Context& api, ProgressCall call, Instant deadline) {
  // One that was deposed and does not know it yet would tell of who took part then.
  auto passing = api.gate.pass(deadline);
  const Status confirmed = co_await std::move(passing);
  if (!confirmed.ok()) co_return confirmed.error();
  const raft::CoreStatus core = api.deps.node.status();
  if (core.role != raft::RoleName::kLeader) co_return api.not_leader();
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setLastIndex(core.last.index.value());
  const auto ids = core.configuration.members();
  auto list = out.initMembers(static_cast<unsigned>(ids.size()));
  for (unsigned i = 0; i < ids.size(); ++i) {
    list[i].setId(ids[i].value());
    const auto peer = core.peers.find(ids[i]);
    if (peer == core.peers.end()) {
      // The leader itself.
      list[i].setMatchIndex(core.last.index.value());
      list[i].setReplication(schema::MemberProgress::Replication::REPLICATE);
      list[i].setCaughtUp(true);
      list[i].setRecentlyActive(true);
      continue;
    }
    list[i].setMatchIndex(peer->second.match.value());
    list[i].setReplication(replication_of(peer->second));
    list[i].setCaughtUp(peer->second.caught_up);
    list[i].setRecentlyActive(peer->second.recently_active);
  }
  co_return Status::success();
}

rpc::Task<Status> transfer_here(Context& api, TransferCall call, Instant deadline) {
  const Handover wanted{.from = MemberId(call.getParams().getFrom()),
                        .target = MemberId(call.getParams().getTarget())};
  auto transferring = transfer_leadership(api, wanted, deadline);
  const auto leader = co_await std::move(transferring);
  if (!leader) co_return leader.error();
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setLeader(leader->value());
  co_return Status::success();
}

}  // namespace

rpc::Task<void> serve_probe(Context& api, ProbeCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  auto here = [&] { return probe_here(api, call); };
  auto there = [&](schema::Forward::Client leader) {
    auto request = leader.probeRequest();
    request.setPeerAddress(call.getParams().getPeerAddress());
    request.setDeadlineMs(api.remaining_ms(deadline));
    return pass_on(api, call, deadline, kj::mv(request));
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

rpc::Task<void> serve_change(Context& api, ChangeCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  auto here = [&] { return change_here(api, call, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    auto request = leader.changeRequest();
    request.setChange(call.getParams().getChange());
    request.setDeadlineMs(api.remaining_ms(deadline));
    return pass_on(api, call, deadline, kj::mv(request));
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

rpc::Task<void> serve_progress(Context& api, ProgressCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  auto here = [&] { return progress_here(api, call, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    auto request = leader.progressRequest();
    request.setDeadlineMs(api.remaining_ms(deadline));
    return pass_on(api, call, deadline, kj::mv(request));
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

rpc::Task<void> serve_transfer(Context& api, TransferCall call, Passing passing) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  auto here = [&] { return transfer_here(api, call, deadline); };
  auto there = [&](schema::Forward::Client leader) {
    auto request = leader.transferRequest();
    request.setTarget(call.getParams().getTarget());
    request.setFrom(call.getParams().getFrom());
    request.setDeadlineMs(api.remaining_ms(deadline));
    return pass_on(api, call, deadline, kj::mv(request));
  };
  auto done = at_the_leader(api, deadline, passing, here, there);
  const Status status = co_await std::move(done);
  if (!status.ok()) refuse(api, call, status.error());
}

}  // namespace coord::service

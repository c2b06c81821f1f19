#include "service/api/cluster_calls.h"

#include <utility>

namespace coord::service {

namespace {

schema::Role encode(raft::RoleName role) {
  switch (role) {
    case raft::RoleName::kFollower:
      return schema::Role::FOLLOWER;
    case raft::RoleName::kPreCandidate:
      return schema::Role::PRECANDIDATE;
    case raft::RoleName::kCandidate:
      return schema::Role::CANDIDATE;
    case raft::RoleName::kLeader:
      return schema::Role::LEADER;
  }
  return schema::Role::FOLLOWER;
}

bool is_learner(const raft::Configuration& configuration, MemberId id) {
  return configuration.contains(id) && !configuration.is_voter(id);
}

void encode_member(const Context& api, const raft::Configuration& configuration, MemberId id,
                   schema::MemberInfo::Builder out) {
  MemberRecord record = api.member(id);
  // Where it is dialled now, whatever it last said itself.
  const auto address = configuration.addresses.find(id);
  if (address != configuration.addresses.end()) record.peer_address = address->second;
  coord::service::encode(record, out);
  out.setLearner(is_learner(configuration, id));
}

void encode_consensus(const raft::CoreStatus& core, schema::MemberStatus::Builder out) {
  const bool learner = is_learner(core.configuration, core.self);
  out.setRole(learner ? schema::Role::LEARNER : encode(core.role));
  out.setTerm(core.term.value());
  out.setLeader(core.leader.value());
  out.setCommitIndex(core.commit.value());
  out.setLastIndex(core.last.index.value());
}

void encode_server(const ServerStats& server, schema::MemberStatus::Builder out) {
  out.setVersion(to_text(server.version));
  out.setUptimeMs(static_cast<std::uint64_t>(server.uptime.count()));
  out.setLogBytes(server.log_bytes);
  out.setStateBytes(server.state_bytes);
  out.setWatches(server.watches);
  out.setConnections(server.connections);
  out.setLoopStallMaxUs(static_cast<std::uint64_t>(server.loop_stall_max.count()));
}

}  // namespace

void serve_members(Context& api, MembersCall call) {
  const auto configuration = api.deps.node.status().configuration;
  const auto ids = configuration.members();
  auto out = call.getResults();
  api.fill(out.initHeader());
  if (ids.empty()) {
    // Clients ask this first: one that is of no use to them yet is not to be taken for a member.
    const auto idle =
        api.deps.why_it_does_not_serve ? api.deps.why_it_does_not_serve() : std::nullopt;
    return api.fail(make_error(ErrorCode::kNoQuorum, "{}", idle.value_or("this is no member")),
                    out.initFailure());
  }
  out.setLeader(api.deps.node.leader().value());
  auto list = out.initMembers(static_cast<unsigned>(ids.size()));
  for (unsigned i = 0; i < ids.size(); ++i) encode_member(api, configuration, ids[i], list[i]);
}

void serve_status(Context& api, StatusCall call) {
  const State& state = api.deps.state;
  const auto core = api.deps.node.status();
  auto out = call.getResults();
  api.fill(out.initHeader());
  auto status = out.initStatus();
  encode_member(api, core.configuration, api.options.self, status.initInfo());
  encode_consensus(core, status);
  status.setAppliedIndex(api.deps.node.applied().value());
  status.setRevision(state.revision().value());
  status.setCompactRevision(state.compacted().value());
  status.setLeases(state.lease_count());
  status.setDigest(state.position().digest);
  encode_server(api.deps.stats(), status);
}

rpc::Task<void> serve_health(Context& api, HealthCall call) {
  call.allowCancellation();
  const Instant deadline = api.deadline(call.getParams().getDeadlineMs());
  Status status;
  const auto idle =
      api.deps.why_it_does_not_serve ? api.deps.why_it_does_not_serve() : std::nullopt;
  if (idle) {
    status = make_error(ErrorCode::kNoQuorum, "{}", *idle);
  } else if (call.getParams().getLinearizable()) {
    auto gate = api.gate.pass(deadline);
    status = co_await std::move(gate);
  } else if (api.deps.node.leader().is_zero()) {
    status = make_error(ErrorCode::kNoQuorum, "this member knows of no leader");
  }
  auto out = call.getResults();
  api.fill(out.initHeader());
  out.setHealthy(status.ok());
  if (!status.ok()) out.setReason(to_text(status.error().message));
}

}  // namespace coord::service

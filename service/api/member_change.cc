#include "service/api/member_change.h"

#include <capnp/message.h>
#include <fmt/ranges.h>

#include <string>
#include <utility>
#include <vector>

#include "service/api/host_port.h"
#include "service/api/member_calls.h"
#include "service/api/member_plan.h"

namespace coord::service {

namespace {

constexpr milliseconds kProbeTimeout{2000};
constexpr milliseconds kLookAgain{1};

// The configuration in force; reads as an error while this member cannot change it.
Result<raft::Configuration> configuration_of_leader(const Context& api) {
  raft::CoreStatus core = api.deps.node.status();
  if (core.role != raft::RoleName::kLeader) return api.not_leader();
  if (core.configuration.is_joint()) {
    return make_error(ErrorCode::kChangeInFlight, "another change of the members is not finished");
  }
  return std::move(core.configuration);
}

MemberName names(const Context& api) {
  return [&api](MemberId id) { return api.name_of(id); };
}

// ---------------------------------------------------------------------------------------------
// A new member

Status check(const Context& api, schema::NewMember::Reader wanted) {
  if (wanted.getName().size() == 0 || wanted.getName().size() > api.options.limits.name_bytes_max) {
    return make_error(ErrorCode::kInvalidArgument, "a member needs a name, and not so long a one");
  }
  const capnp::Text::Reader address = wanted.getPeerAddress();
  if (!is_host_port({address.begin(), address.size()})) {
    return make_error(ErrorCode::kInvalidArgument, "a member needs a peer address, HOST:PORT");
  }
  return {};
}

// Whether whoever was found may become the member that is wanted.
Status check(const Context& api, const raft::Configuration& configuration,
             const std::string& wanted_name, const std::string& address, const FoundMember& found) {
  if (found.cluster != api.options.cluster) {
    return make_error(
        ErrorCode::kWrongCluster,
        "the member at {} belongs to another cluster ({:016x}, this is {:016x}): start "
        "it with an empty data directory and --join",
        address, found.cluster.value(), api.options.cluster.value());
  }
  if (found.name != wanted_name) {
    return make_error(ErrorCode::kWrongMember, "the member at {} is named '{}', not '{}'", address,
                      found.name, wanted_name);
  }
  for (const MemberId id : configuration.members()) {
    if (id == found.id || api.member(id).name != wanted_name) continue;
    return make_error(ErrorCode::kMemberExists, "the cluster has a member named '{}' already",
                      wanted_name);
  }
  if (configuration.contains(found.id)) return {};
  if (api.deps.state.was_removed(found.id)) {
    return make_error(ErrorCode::kMemberRemoved,
                      "the member at {} was removed from this cluster: start it with an empty data "
                      "directory and --join",
                      address);
  }
  if (!found.empty) {
    return make_error(
        ErrorCode::kWrongMember,
        "the member at {} has data already: start it with an empty data directory and "
        "--join",
        address);
  }
  return {};
}

// Under which name and address clients are told of it, before it can say so itself.
rpc::Task<Status> publish(Context& api, const FoundMember& found, const std::string& address,
                          Instant deadline) {
  capnp::MallocMessageBuilder message;
  auto record = message.initRoot<schema::MemberInfo>();
  record.setId(found.id.value());
  record.setName(to_text(found.name));
  record.setPeerAddress(to_text(address));
  record.setClientAddress(to_text(found.client_address));
  auto publishing = publish_here(api, record.asReader(), deadline);
  co_return co_await std::move(publishing);
}

rpc::Task<Result<MemberPlan>> plan_new_member(Context& api, schema::NewMember::Reader wanted,
                                              Instant deadline) {
  if (Status status = check(api, wanted); !status.ok()) co_return status.error();
  const std::string name = wanted.getName();
  const std::string address = wanted.getPeerAddress();
  auto asking = api.deps.identify(address, kProbeTimeout);
  const auto found = co_await kj::mv(asking);
  if (!found) co_return found.error();
  auto configuration = configuration_of_leader(api);
  if (!configuration) co_return configuration.error();
  if (Status status = check(api, *configuration, name, address, *found); !status.ok()) {
    co_return status.error();
  }
  auto plan = plan_learner(*configuration, found->id, address, names(api));
  if (!plan || !plan->target) co_return plan;
  auto publishing = publish(api, *found, address, deadline);
  const Status published = co_await std::move(publishing);
  if (!published.ok()) co_return published.error();
  // What was true before may not be any more.
  configuration = configuration_of_leader(api);
  if (!configuration) co_return configuration.error();
  co_return plan_learner(*configuration, found->id, address, names(api));
}

// ---------------------------------------------------------------------------------------------
// A new address

rpc::Task<Result<MemberPlan>> plan_new_address(Context& api, schema::NewAddress::Reader wanted) {
  const MemberId id(wanted.getId());
  const std::string address = wanted.getPeerAddress();
  if (!is_host_port(address)) {
    co_return make_error(ErrorCode::kInvalidArgument, "a peer address is HOST:PORT");
  }
  // It may well not listen there yet. But if somebody does, it has to be that member.
  auto asking = api.deps.identify(address, kProbeTimeout);
  const auto found = co_await kj::mv(asking);
  if (found.ok() && (found->id != id || found->cluster != api.options.cluster)) {
    co_return make_error(ErrorCode::kWrongMember, "at {} is not {} but '{}'", address,
                         api.name_of(id), found->name);
  }
  const auto configuration = configuration_of_leader(api);
  if (!configuration) co_return configuration.error();
  co_return plan_address(*configuration, id, address, names(api));
}

// ---------------------------------------------------------------------------------------------

rpc::Task<Result<MemberPlan>> plan_change(Context& api, schema::MemberChange::Reader change,
                                          Instant deadline) {
  if (change.isAddLearner()) {
    auto planning = plan_new_member(api, change.getAddLearner(), deadline);
    co_return co_await std::move(planning);
  }
  if (change.isUpdateAddress()) {
    auto planning = plan_new_address(api, change.getUpdateAddress());
    co_return co_await std::move(planning);
  }
  const auto now = configuration_of_leader(api);
  if (!now) co_return now.error();
  if (change.isPromote()) co_return plan_promotion(*now, MemberId(change.getPromote()), names(api));
  if (change.isRemove()) co_return plan_removal(*now, MemberId(change.getRemove()), names(api));
  if (change.isReplace()) {
    const ReplacedMember ids{MemberId(change.getReplace().getOld()),
                             MemberId(change.getReplace().getNew())};
    co_return plan_replacement(*now, ids, names(api));
  }
  co_return make_error(ErrorCode::kUnsupported, "this member does not know that change");
}

std::vector<std::string> names_of(const Context& api, const std::vector<MemberId>& ids) {
  std::vector<std::string> all;
  for (const MemberId id : ids) all.push_back(api.name_of(id));
  return all;
}

Error not_caught_up(const Context& api, const raft::CoreStatus& core,
                    const raft::Configuration& target) {
  for (const MemberId id : target.voters) {
    const auto peer = core.peers.find(id);
    if (core.configuration.is_voter(id) || peer == core.peers.end() || peer->second.caught_up) {
      continue;
    }
    return make_error(ErrorCode::kNotCaughtUp,
                      "{} has not caught up: its log is known to reach {}, the leader's {}",
                      api.name_of(id), peer->second.match, core.last.index);
  }
  return make_error(ErrorCode::kNotCaughtUp, "a member that is to vote has not caught up");
}

Error would_lose_quorum(const Context& api, const raft::CoreStatus& core,
                        const raft::Configuration& target) {
  std::vector<MemberId> silent;
  for (const MemberId id : target.voters) {
    const auto peer = core.peers.find(id);
    if (peer != core.peers.end() && !peer->second.recently_active) silent.push_back(id);
  }
  return make_error(ErrorCode::kWouldLoseQuorum,
                    "{} would be left to vote, and of these {} cannot be heard: no majority could "
                    "decide anything any more",
                    fmt::join(names_of(api, target.voters), ", "),
                    fmt::join(names_of(api, silent), ", "));
}

// What the core has refused, in the words of whoever asked for it.
Error explain(const Context& api, Error error, const raft::Configuration& target) {
  const raft::CoreStatus core = api.deps.node.status();
  if (error.code == ErrorCode::kNotCaughtUp) return not_caught_up(api, core, target);
  if (error.code == ErrorCode::kWouldLoseQuorum) return would_lose_quorum(api, core, target);
  return error;
}

// Waits until the joint configuration that a change of the voters begins with has been left, by
// whichever leader.
rpc::Task<Status> joint_configuration_left(Context& api, Instant deadline) {
  for (;;) {
    const raft::CoreStatus core = api.deps.node.status();
    if (!core.configuration.is_joint() && api.deps.node.applied() >= core.configuration_index) {
      co_return Status::success();
    }
    if (api.deps.clock.now() >= deadline) break;
    co_await api.deps.clock.timer.afterDelay(kLookAgain.count() * kj::MILLISECONDS);
  }
  Error error = make_error(ErrorCode::kDeadlineExceeded,
                           "the change is made, but the old members have not let go of it yet");
  error.outcome = Outcome::kUnknown;
  co_return error;
}

}  // namespace

rpc::Task<Result<MemberId>> change_members(Context& api, schema::MemberChange::Reader change,
                                           Instant deadline) {
  auto planning = plan_change(api, change, deadline);
  const auto plan = co_await std::move(planning);
  if (!plan) co_return plan.error();
  if (plan->target) {
    const auto place = api.deps.node.change_configuration(*plan->target);
    if (!place) co_return explain(api, place.error(), *plan->target);
    auto settling = api.deps.applier.settled(*place, deadline);
    const auto settled = co_await kj::mv(settling);
    if (!settled) co_return settled.error();
  }
  auto leaving = joint_configuration_left(api, deadline);
  const Status left = co_await std::move(leaving);
  if (!left.ok()) co_return left.error();
  co_return plan->member;
}

}  // namespace coord::service

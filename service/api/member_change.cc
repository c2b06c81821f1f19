#include "service/api/member_change.h"

#include <capnp/message.h>
#include <fmt/ranges.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "service/api/host_port.h"
#include "service/api/member_calls.h"
#include "service/api/member_plan.h"
#include "service/api/probe.h"

namespace coord::service {

namespace {

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

Result<MemberPlan> plan_new_member(const Context& api, const raft::Configuration& now,
                                   schema::NewMember::Reader wanted, const FoundMember& found) {
  const std::string address = wanted.getPeerAddress();
  if (Status status = check(api, now, wanted.getName(), address, found); !status.ok()) {
    return status.error();
  }
  return plan_learner(now, found.id, address, names(api));
}

// ---------------------------------------------------------------------------------------------

// What has to be asked elsewhere before a change can be planned: who is at the address.
rpc::Task<Result<std::optional<FoundMember>>> look_around(Context& api,
                                                          schema::MemberChange::Reader change) {
  if (change.isAddLearner()) {
    const auto wanted = change.getAddLearner();
    if (Status status = check(api, wanted); !status.ok()) co_return status.error();
    const std::string address = wanted.getPeerAddress();
    auto asking = probe(api, address);
    const auto found = co_await std::move(asking);
    if (!found) co_return found.error();
    co_return std::optional<FoundMember>(*found);
  }
  if (change.isUpdateAddress()) {
    const MemberId id(change.getUpdateAddress().getId());
    const std::string address = change.getUpdateAddress().getPeerAddress();
    if (!is_host_port(address)) {
      co_return make_error(ErrorCode::kInvalidArgument, "a peer address is HOST:PORT");
    }
    // It may well not listen there yet. But if somebody does, it has to be that member.
    auto asking = probe(api, address);
    const auto found = co_await std::move(asking);
    if (!found && found.error().code == ErrorCode::kOverloaded) co_return found.error();
    if (found.ok() && (found->id != id || found->cluster != api.options.cluster)) {
      co_return make_error(ErrorCode::kWrongMember, "at {} is not {} but '{}'", address,
                           api.name_of(id), found->name);
    }
  }
  co_return std::optional<FoundMember>();
}

Result<MemberPlan> plan_change(const Context& api, schema::MemberChange::Reader change,
                               const std::optional<FoundMember>& found) {
  const auto now = configuration_of_leader(api);
  if (!now) return now.error();
  if (change.isAddLearner()) return plan_new_member(api, *now, change.getAddLearner(), *found);
  if (change.isPromote()) return plan_promotion(*now, MemberId(change.getPromote()), names(api));
  if (change.isRemove()) return plan_removal(*now, MemberId(change.getRemove()), names(api));
  if (change.isReplace()) {
    const ReplacedMember ids{MemberId(change.getReplace().getOld()),
                             MemberId(change.getReplace().getNew())};
    return plan_replacement(*now, ids, names(api));
  }
  if (change.isUpdateAddress()) {
    const auto wanted = change.getUpdateAddress();
    return plan_address(*now, MemberId(wanted.getId()), wanted.getPeerAddress(), names(api));
  }
  return make_error(ErrorCode::kUnsupported, "this member does not know that change");
}

// Whether it is an answer that says who is a member, and not a change to make.
bool tells_of_members(const Result<MemberPlan>& plan) {
  if (plan.ok()) return !plan->target;
  return plan.error().code == ErrorCode::kMemberNotFound ||
         plan.error().code == ErrorCode::kMemberExists;
}

// Where the configuration in force stands, once it is known to be committed, and that no other
// leader has made another one before this was called. Without that, what it says may still be
// taken back: a leader that has been deposed holds on to what it appended last.
rpc::Task<Result<Index>> committed_configuration(Context& api, Instant deadline) {
  auto passing = api.gate.pass(deadline);
  const Status confirmed = co_await std::move(passing);
  if (!confirmed.ok()) co_return confirmed.error();
  for (;;) {
    const raft::CoreStatus core = api.deps.node.status();
    if (core.role != raft::RoleName::kLeader) co_return api.not_leader();
    if (api.deps.node.applied() >= core.configuration_index) co_return core.configuration_index;
    if (api.deps.clock.now() >= deadline) break;
    co_await api.deps.clock.timer.afterDelay(kLookAgain.count() * kj::MILLISECONDS);
  }
  co_return make_error(ErrorCode::kDeadlineExceeded,
                       "what the members are now was not committed in time");
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

rpc::Task<Result<ChangedMembers>> change_members(Context& api, schema::MemberChange::Reader change,
                                                 Instant deadline) {
  auto looking = look_around(api, change);
  const auto found = co_await std::move(looking);
  if (!found) co_return found.error();
  bool published = !change.isAddLearner();
  std::optional<Index> committed;
  // Planned from the beginning after every wait: what was true before may not be any more.
  for (;;) {
    const auto plan = plan_change(api, change, *found);
    if (tells_of_members(plan)) {
      if (committed == api.deps.node.status().configuration_index) {
        if (!plan) co_return plan.error();
        co_return ChangedMembers{.member = plan->member, .made = false};
      }
      auto committing = committed_configuration(api, deadline);
      const auto index = co_await std::move(committing);
      if (!index) co_return index.error();
      committed = *index;
      continue;
    }
    if (!plan) co_return plan.error();
    if (!published) {
      const std::string address = change.getAddLearner().getPeerAddress();
      auto publishing = publish(api, **found, address, deadline);
      const Status status = co_await std::move(publishing);
      if (!status.ok()) co_return status.error();
      published = true;
      continue;
    }
    const auto place = api.deps.node.change_configuration(*plan->target);
    if (!place) co_return explain(api, place.error(), *plan->target);
    auto settling = api.deps.applier.settled(*place, deadline);
    const auto settled = co_await kj::mv(settling);
    if (!settled) co_return settled.error();
    auto leaving = joint_configuration_left(api, deadline);
    const Status left = co_await std::move(leaving);
    if (!left.ok()) co_return left.error();
    co_return ChangedMembers{.member = plan->member, .made = true};
  }
}

}  // namespace coord::service

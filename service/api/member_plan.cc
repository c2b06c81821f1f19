#include "service/api/member_plan.h"

#include <algorithm>
#include <utility>

namespace coord::service {

namespace {

using raft::Configuration;

Error not_found(MemberId id) {
  return make_error(ErrorCode::kMemberNotFound, "the cluster has no member {}", id);
}

bool is_learner(const Configuration& configuration, MemberId id) {
  return configuration.contains(id) && !configuration.is_voter(id);
}

void insert(std::vector<MemberId>& members, MemberId id) {
  members.insert(std::upper_bound(members.begin(), members.end(), id), id);
}

void erase(Configuration& configuration, MemberId id) {
  std::erase(configuration.voters, id);
  std::erase(configuration.learners, id);
  configuration.addresses.erase(id);
}

Status address_is_free(const Configuration& now, MemberId id, const std::string& address,
                       const MemberName& name) {
  for (const auto& [other, taken] : now.addresses) {
    if (other == id || taken != address) continue;
    return make_error(ErrorCode::kMemberExists, "{} has the peer address {} already", name(other),
                      address);
  }
  return {};
}

}  // namespace

Result<MemberPlan> plan_learner(const Configuration& now, MemberId id, std::string address,
                                const MemberName& name) {
  if (Status free = address_is_free(now, id, address, name); !free.ok()) return free.error();
  if (now.contains(id)) {
    const auto known = now.addresses.find(id);
    const bool same = known != now.addresses.end() && known->second == address;
    if (is_learner(now, id) && same) return MemberPlan{id};
    return make_error(ErrorCode::kMemberExists, "{} is a member already", name(id));
  }
  MemberPlan plan{id, now};
  insert(plan.target->learners, id);
  plan.target->addresses.emplace(id, std::move(address));
  return plan;
}

Result<MemberPlan> plan_promotion(const Configuration& now, MemberId id, const MemberName&) {
  if (!now.contains(id)) return not_found(id);
  if (now.is_voter(id)) return MemberPlan{id};
  MemberPlan plan{id, now};
  std::erase(plan.target->learners, id);
  insert(plan.target->voters, id);
  return plan;
}

Result<MemberPlan> plan_removal(const Configuration& now, MemberId id, const MemberName& name) {
  if (!now.contains(id)) return not_found(id);
  MemberPlan plan{id, now};
  erase(*plan.target, id);
  if (plan.target->voters.empty()) {
    return make_error(ErrorCode::kWouldLoseQuorum,
                      "{} is the only member that votes: without it nothing could be decided any "
                      "more",
                      name(id));
  }
  return plan;
}

Result<MemberPlan> plan_replacement(const Configuration& now, ReplacedMember ids,
                                    const MemberName& name) {
  if (ids.old_id == ids.new_id) {
    return make_error(ErrorCode::kInvalidArgument, "{} cannot replace itself", name(ids.old_id));
  }
  if (!now.contains(ids.new_id)) return not_found(ids.new_id);
  if (!now.contains(ids.old_id)) {
    if (now.is_voter(ids.new_id)) return MemberPlan{ids.new_id};
    return not_found(ids.old_id);
  }
  MemberPlan plan{ids.new_id, now};
  // A learner is replaced by a learner, a voter by a voter.
  const bool votes = now.is_voter(ids.old_id);
  erase(*plan.target, ids.old_id);
  if (votes && !now.is_voter(ids.new_id)) {
    std::erase(plan.target->learners, ids.new_id);
    insert(plan.target->voters, ids.new_id);
  }
  return plan;
}

Result<MemberPlan> plan_address(const Configuration& now, MemberId id, std::string address,
                                const MemberName& name) {
  if (!now.contains(id)) return not_found(id);
  if (Status free = address_is_free(now, id, address, name); !free.ok()) return free.error();
  MemberPlan plan{id, now};
  plan.target->addresses[id] = std::move(address);
  if (*plan.target == now) plan.target.reset();
  return plan;
}

}  // namespace coord::service

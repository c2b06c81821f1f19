// What the members shall be after a change, and why not: pure functions of the configuration in
// force. Whether it can be done now (who has caught up, who is heard) is the core's to say.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "raft/base/result.h"
#include "raft/core/configuration.h"

namespace coord::service {

struct MemberPlan {
  MemberId member;                              // which one it is about
  std::optional<raft::Configuration> target{};  // nothing: it is so already
};

// For messages.
using MemberName = std::function<std::string(MemberId)>;

// Errors of all: kMemberNotFound, kMemberExists, kInvalidArgument.
Result<MemberPlan> plan_learner(const raft::Configuration& now, MemberId id, std::string address,
                                const MemberName& name);
Result<MemberPlan> plan_promotion(const raft::Configuration& now, MemberId id,
                                  const MemberName& name);
Result<MemberPlan> plan_removal(const raft::Configuration& now, MemberId id,
                                const MemberName& name);
struct ReplacedMember {
  MemberId old_id;
  MemberId new_id;
};
Result<MemberPlan> plan_replacement(const raft::Configuration& now, ReplacedMember ids,
                                    const MemberName& name);
Result<MemberPlan> plan_address(const raft::Configuration& now, MemberId id, std::string address,
                                const MemberName& name);

}  // namespace coord::service

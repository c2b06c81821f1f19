// What happens to cores, in words a person can follow: for transcripts of tests and simulations and
// for debug logs. One line each, without a newline; payloads are not shown.
#pragma once

#include <string>

#include "raft/core/core.h"

namespace coord::raft {

// "2 -> 3 term 4: append 7@3 +2 commit 6 round 11"
std::string describe(const Message& message);
std::string describe(const Event& event);
std::string describe(const Fact& fact);
std::string describe(const HardState& hard_state);
std::string describe(const Durable& durable);
std::string describe(const Configuration& configuration);
// "leader term 4 last 9@4 durable 8 commit 7 applied 7"
std::string describe(const CoreStatus& status);
std::string_view to_string(Refusal refusal);
std::string_view to_string(MessageRefused::Reason reason);

}  // namespace coord::raft

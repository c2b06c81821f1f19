// Arbitrary bad days, up to 200 commands long, on real cores.
#include "tests/raft/core/scenario.h"

#include <rapidcheck.h>

#include "tests/raft/core/property.h"

namespace coord::raft {
namespace {

constexpr int kCommandsMax = 200;

rc::Gen<Command> any_command() {
  using enum CommandKind;
  const auto kinds = rc::gen::weightedElement<CommandKind>({
      {14, kPropose},    {10, kFire},     {4, kPass},       {12, kRun},         {16, kSettle},
      {20, kDeliver},    {5, kDuplicate}, {5, kDrop},       {12, kDeliverFrom}, {8, kPersist},
      {10, kPersistAll}, {5, kCrash},     {10, kRestart},   {2, kIsolate},      {2, kCutOneWay},
      {2, kPartition},   {10, kHeal},     {16, kChange},    {5, kTransfer},     {6, kRead},
      {6, kCompact},     {2, kFlush},     {10, kSendChunk}, {2, kFailSnapshot}, {6, kInstall},
      {2, kUnreachable}, {2, kClosed},    {6, kFallBehind},
  });
  const auto small = rc::gen::resize(100, rc::gen::inRange(0, 32));
  return rc::gen::map(rc::gen::tuple(kinds, small, small, small), [](const auto& all) {
    const auto& [kind, a, b, c] = all;
    return Command{kind, a, b, c};
  });
}

std::vector<Command> any_commands() {
  return *rc::gen::resize(kCommandsMax, rc::gen::container<std::vector<Command>>(any_command()))
              .as("commands");
}

Setup any_setup() {
  const auto flag = [] { return *rc::gen::resize(100, rc::gen::inRange(0, 2)) == 1; };
  Setup setup;
  setup.voters = static_cast<std::uint64_t>(*rc::gen::resize(100, rc::gen::inRange(1, 6)));
  setup.learners = flag() ? 1 : 0;
  setup.joining = flag() ? 1 : 0;
  setup.fast_disk = flag();
  setup.fast_transfers = flag();
  setup.fast_installs = flag();
  setup.leases = flag();
  setup.small = flag();
  return setup;
}

// A leader is there at the beginning, or most of a short list would be spent on getting one.
void begin(Cluster& cluster) {
  for (int i = 0; i < 40 && !cluster.leader(); ++i) {
    cluster.run(milliseconds(100));
    for (int member = 1; member <= cluster.size(); ++member) cluster.persist(member);
  }
}

void require_nothing_broken(const Cluster& cluster) {
  if (!cluster.broken().empty()) RC_FAIL(cluster.broken().front());
}

COORD_PROPERTY(Scenario, WhateverHappens_NothingThatWasPromisedIsBroken, kCases) {
  const Setup setup = any_setup();
  RC_LOG() << setup << std::endl;
  const std::vector<Command> commands = any_commands();
  Cluster cluster(options_of(setup));
  begin(cluster);
  std::uint64_t place = 0;
  for (const Command& command : commands) {
    execute(cluster, command, place++);
    require_nothing_broken(cluster);
  }
  bool joint = false;
  for (int member = 1; member <= cluster.size(); ++member) {
    joint = joint || cluster.configuration(member).is_joint();
  }
  RC_CLASSIFY(joint, "ends in a joint configuration");
  RC_CLASSIFY(cluster.committed().value() > 10, "more than ten entries were committed");
  const auto has = [&](auto fact) {
    for (int member = 1; member <= cluster.size(); ++member) {
      if (cluster.count<decltype(fact)>(member) > 0) return true;
    }
    return false;
  };
  RC_CLASSIFY(has(SnapshotTaken{}), "a snapshot was installed");
  RC_CLASSIFY(has(Truncated{}), "a log was truncated");
  RC_CLASSIFY(has(Removed{}), "a member was removed");
  RC_CLASSIFY(has(TransferStarted{}), "leadership was handed over");
}

COORD_PROPERTY(Scenario, WhateverHappened_AHealedClusterGetsOn, kCases) {
  const Setup setup = any_setup();
  RC_LOG() << setup << std::endl;
  const std::vector<Command> commands = any_commands();
  Cluster cluster(options_of(setup));
  begin(cluster);
  std::uint64_t place = 0;
  for (const Command& command : commands) execute(cluster, command, place++);
  const std::string wrong = recover(cluster);
  require_nothing_broken(cluster);
  if (!wrong.empty()) RC_FAIL(wrong);
}

COORD_PROPERTY(Scenario, TheSameEvents_LeadToTheSameStates, kCases / 10) {
  const Setup setup = any_setup();
  const std::vector<Command> commands = any_commands();
  Cluster one(options_of(setup));
  Cluster other(options_of(setup));
  begin(one), begin(other);
  std::uint64_t place = 0;
  for (const Command& command : commands) {
    execute(one, command, place);
    execute(other, command, place++);
    for (int member = 1; member <= one.size(); ++member) {
      if (!one.is_up(member)) continue;
      RC_ASSERT(one.core(member).fingerprint() == other.core(member).fingerprint());
      RC_ASSERT(one.core(member).clone().fingerprint() == one.core(member).fingerprint());
    }
  }
}

}  // namespace
}  // namespace coord::raft

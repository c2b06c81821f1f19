#include "tests/raft/core/exhaustive/scenarios.h"

namespace coord::raft::exhaustive {

namespace {

Configuration of(std::vector<std::uint64_t> voters, std::vector<std::uint64_t> learners = {}) {
  Configuration configuration;
  for (const std::uint64_t id : voters) configuration.voters.emplace_back(id);
  for (const std::uint64_t id : learners) configuration.learners.emplace_back(id);
  return configuration;
}

Disk disk(const Configuration& configuration, HardState hard_state = {},
          std::vector<std::uint64_t> terms = {}) {
  Disk disk;
  disk.hard_state = hard_state;
  disk.state.configuration = configuration;
  for (const std::uint64_t term : terms) {
    disk.entries.push_back({{Term(term), Index(disk.entries.size() + 1)}, EntryType::kNoop, {}});
  }
  return disk;
}

void append(Disk& disk, const Configuration& configuration) {
  disk.entries.push_back(
      {{Term(1), disk.last().index.next()}, EntryType::kConfiguration, encode(configuration)});
}

Scenario alike(std::string name, std::string what, const Configuration& configuration,
               Bounds bounds) {
  Scenario scenario;
  scenario.name = std::move(name);
  scenario.what = std::move(what);
  scenario.bounds = bounds;
  scenario.disks.fill(disk(configuration));
  return scenario;
}

}  // namespace

std::vector<Scenario> scenarios() {
  std::vector<Scenario> all;
  const Configuration three = of({1, 2, 3});

  all.push_back(alike("elections", "two terms, from nothing, one crash", three,
                      {.timeouts = 3, .crashes = 1, .term_max = Term(2)}));
  all.back().symmetric = true;

  all.push_back(alike("replication", "a leader, two entries, another election, one crash", three,
                      {.timeouts = 2, .proposals = 2, .crashes = 1, .term_max = Term(2)}));
  all.back().with_leader = true;

  all.push_back(alike("figure37", "logs that contradict each other, two more terms", three,
                      {.timeouts = 2, .term_max = Term(4)}));
  all.back().disks = {disk(three, {Term(2), MemberId(0)}, {1}), disk(three, {Term(2), MemberId(3)}),
                      disk(three, {Term(2), MemberId(3)}, {2})};
  all.back().small_appends = true;

  all.push_back(alike("removal", "a leader, one change of the voters, another election, one crash",
                      three, {.timeouts = 2, .changes = 1, .crashes = 1, .term_max = Term(2)}));
  all.back().with_leader = true;
  all.back().targets = {of({1, 2}), of({2, 3}), of({3}, {1})};

  all.push_back(alike("growth", "two voters and a learner become three", of({1, 2}, {3}),
                      {.timeouts = 2, .changes = 1, .crashes = 1, .term_max = Term(2)}));
  all.back().with_leader = true;
  all.back().targets = {three, of({1, 3})};

  all.push_back(alike("joint",
                      "an unfinished change to one voter, which one member knows of; an election",
                      three, {.timeouts = 3, .crashes = 1, .term_max = Term(2)}));
  Configuration joint = of({3}, {1});
  joint.outgoing = three.voters;
  for (Disk& each : all.back().disks) {
    each = disk(three, {Term(1), MemberId(1)}, {1});
    append(each, joint);
  }
  append(all.back().disks[2], of({3}, {1}));

  all.push_back(
      alike("transfer", "leadership handed over, with an entry, one crash", three,
            {.timeouts = 1, .proposals = 1, .crashes = 1, .transfers = 1, .term_max = Term(2)}));
  all.back().with_leader = true;

  all.push_back(
      alike("everything", "from nothing: two terms, two entries, one change, one crash", three,
            {.timeouts = 4, .proposals = 2, .changes = 1, .crashes = 1, .term_max = Term(2)}));
  all.back().symmetric = true;
  all.back().targets = {of({1, 2}), of({2, 3})};
  return all;
}

}  // namespace coord::raft::exhaustive

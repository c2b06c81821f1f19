// What a cluster is asked for, and what can be seen of it.
#include <algorithm>

#include "tests/raft/core/cluster.h"

namespace coord::raft {

namespace {
std::optional<LogId> place_of(const ProposalAnswer& answer) {
  const LogId* place = std::get_if<LogId>(&answer.answer);
  return place == nullptr ? std::nullopt : std::optional(*place);
}
}  // namespace

std::optional<LogId> Cluster::propose(int member, std::string command) {
  step(member, Propose{ProposalId(1), text(command)});
  return place_of(nodes_.at(id(member)).proposals.back());
}

std::optional<LogId> Cluster::change(int member, Configuration target) {
  step(member, ChangeConfiguration{ProposalId(2), std::move(target)});
  return place_of(nodes_.at(id(member)).proposals.back());
}

std::optional<LogId> Cluster::transfer(int member, int target) {
  step(member, TransferLeadership{ProposalId(3), id(target)});
  return place_of(nodes_.at(id(member)).proposals.back());
}

std::optional<Refusal> Cluster::refusal(int member) const {
  const auto& proposals = nodes_.at(id(member)).proposals;
  if (proposals.empty()) return std::nullopt;
  const Refusal* refusal = std::get_if<Refusal>(&proposals.back().answer);
  return refusal == nullptr ? std::nullopt : std::optional(*refusal);
}

const std::vector<std::string>& Cluster::commands(int member) const {
  return nodes_.at(id(member)).state.commands;
}

std::optional<int> Cluster::leader() const {
  std::optional<int> leader;
  Term term;
  for (const auto& [id, node] : nodes_) {
    if (node.core && node.core->role() == RoleName::kLeader && node.core->term() > term) {
      leader = static_cast<int>(id.value());
      term = node.core->term();
    }
  }
  return leader;
}

std::string Cluster::terms(int member) const {
  std::string terms;
  for (const Entry& entry : nodes_.at(id(member)).planned.entries) {
    if (!terms.empty()) terms += ' ';
    terms += std::to_string(entry.id.term.value());
  }
  return terms;
}

Configuration voters(std::vector<int> voters, std::vector<int> learners) {
  Configuration configuration;
  for (const int voter : voters) configuration.voters.push_back(Cluster::id(voter));
  for (const int learner : learners) configuration.learners.push_back(Cluster::id(learner));
  return configuration;
}

}  // namespace coord::raft
